"""The byte budget of uploads under adverse orders of events."""

import asyncio
import random

import pytest

from service.web.uploads.budget import UploadBudget, UploadShare
from tests.unit.service.coroutines import run_async, settle

BLOCK = 4
"""Bytes; small, so that a test has many blocks."""


def test_releases_the_share_after_an_exception() -> None:
    async def story() -> None:
        budget = UploadBudget(10)

        async def failing() -> None:
            with budget.share() as share:
                await share.grow(7)
                assert budget.granted == 7
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await failing()
        assert budget.granted == 0

    run_async(story)


def test_grants_one_block_to_an_upload_that_sends_nothing() -> None:
    async def story() -> None:
        budget = UploadBudget(100)
        with budget.share() as silent, budget.share() as honest:
            await silent.grow(BLOCK)
            for units in range(0, 90, BLOCK):
                await honest.grow(units)
            honest.complete(86)
            assert (budget.granted, budget.waiting) == (BLOCK + 86, 0)
        assert budget.granted == 0

    run_async(story)


def test_grants_the_oldest_waiting_upload_first() -> None:
    async def story() -> None:
        budget = UploadBudget(10)
        order: list[str] = []

        async def growing(name: str, share: UploadShare, units: int) -> None:
            await share.grow(units)
            order.append(name)

        with budget.share() as first, budget.share() as second:
            with budget.share() as answered:
                await answered.grow(10)
                answered.complete(10)
                younger = asyncio.create_task(growing("younger", second, 4))
                await settle()
                older = asyncio.create_task(growing("older", first, 8))
                await settle()
                # While a complete upload is held, which will be released, no upload exceeds the total.
                assert (order, budget.granted, budget.waiting, budget.requested) == ([], 10, 2, 12)
            await asyncio.gather(older, younger)
            # Now no complete upload is held, and one upload may exceed the total.
            assert (order, budget.granted) == (["older", "younger"], 12)

    run_async(story)


def test_lets_one_upload_exceed_the_total_if_none_is_complete() -> None:
    async def story() -> None:
        budget = UploadBudget(10)
        with budget.share() as one, budget.share() as other:
            with budget.share() as large:
                await large.grow(5)
                await one.grow(5)
                await large.grow(50)
                waiting = asyncio.create_task(other.grow(1))
                await settle()
                await large.grow(60)
                large.complete(60)
                await settle()
                assert (budget.granted, waiting.done()) == (65, False)
            await waiting
            assert budget.granted == 6

    run_async(story)


def test_admits_the_next_upload_after_a_cancelled_one() -> None:
    async def story() -> None:
        for release_first in (True, False):
            budget = UploadBudget(10)
            with budget.share() as leaving, budget.share() as staying:
                with budget.share() as answered:
                    await answered.grow(10)
                    answered.complete(10)
                    gone = asyncio.create_task(leaving.grow(8))
                    stays = asyncio.create_task(staying.grow(5))
                    await settle()
                    if not release_first:
                        gone.cancel()
                if release_first:
                    gone.cancel()
                await asyncio.wait({gone})
                assert gone.cancelled() or leaving.held == 8
                leaving.complete(0)
                await stays
                assert (budget.waiting, budget.granted) == (0, 5)
            assert budget.granted == 0

    run_async(story)


@pytest.mark.parametrize("seed", range(40))
def test_every_upload_ends_within_the_bound(seed: int) -> None:
    """Uploads of random sizes and rates, some stalled, some cancelled, some answered late, in a random order."""
    draw = random.Random(seed)
    total = draw.choice((0, 1, 7, 40, 100))
    largest = draw.choice((10, 60, 150))
    fill = draw.random() < 0.5  # all begin at once, so that incomplete uploads fill the budget

    async def story() -> None:
        budget = UploadBudget(total)

        async def upload(size: int, pace: int, stay: int, stops: bool) -> None:
            with budget.share() as share:
                received = 0
                while received < size:
                    await share.grow(min(received + BLOCK, size))
                    assert budget.granted <= total + largest
                    for _ in range(pace):
                        await asyncio.sleep(0)
                    received = min(received + draw.randint(1, BLOCK), size)
                    if stops and received > size // 2:
                        for _ in range(50):  # until it is aborted as stalled
                            await asyncio.sleep(0)
                        return
                share.complete(received)
                assert share.held == size
                for _ in range(stay):
                    await asyncio.sleep(0)

        uploads = []
        for _ in range(60):
            size = draw.choice((0, 1, BLOCK, largest // 2, largest))
            uploads.append(
                asyncio.create_task(upload(size, draw.randrange(4), draw.randrange(9), draw.random() < 0.2))
            )
            if not fill and draw.random() < 0.5:
                await asyncio.sleep(0)
            if draw.random() < 0.2:
                draw.choice(uploads).cancel()
        results = await asyncio.gather(*uploads, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
        assert (budget.granted, budget.waiting) == (0, 0)

    run_async(story)


def test_a_large_upload_is_not_starved_by_endless_small_ones() -> None:
    async def story() -> None:
        budget = UploadBudget(20)
        finished = asyncio.Event()

        async def small() -> None:
            with budget.share() as share:
                await share.grow(BLOCK)
                share.complete(BLOCK)
                await asyncio.sleep(0)

        async def large() -> None:
            with budget.share() as share:
                for units in range(1, 101):
                    await share.grow(units)
                    await asyncio.sleep(0)
                share.complete(100)
            finished.set()

        async def flood() -> None:
            while not finished.is_set():
                await asyncio.gather(*(small() for _ in range(8)))

        await asyncio.gather(large(), flood(), flood())

    run_async(story)
