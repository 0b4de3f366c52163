"""The byte budget of uploads under orders of events that are chosen against it."""

import asyncio
import random

import pytest

from service.web.uploads.budget import UploadBudget, UploadShare
from tests.unit.service.stories import run, settle

BLOCK = 4
"""Bytes; small, so that a story has many blocks."""


def test_a_block_that_raises_gives_back_what_it_held() -> None:
    async def story() -> None:
        budget = UploadBudget(10)

        async def failing() -> None:
            with budget.share() as share:
                await share.grow(7)
                assert budget.lent == 7
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await failing()
        assert budget.lent == 0

    run(story)


def test_a_caller_that_declares_much_and_sends_nothing_holds_one_block() -> None:
    async def story() -> None:
        budget = UploadBudget(100)
        with budget.share() as silent, budget.share() as honest:
            await silent.grow(BLOCK)
            for units in range(0, 90, BLOCK):
                await honest.grow(units)
            honest.complete(86)
            assert (budget.lent, budget.waiting) == (BLOCK + 86, 0)
        assert budget.lent == 0

    run(story)


def test_the_oldest_that_waits_goes_first() -> None:
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
                # While a complete upload is held, which will be given back, nothing exceeds the total.
                assert (order, budget.lent, budget.waiting, budget.waited_for) == ([], 10, 2, 12)
            await asyncio.gather(older, younger)
            # Now nothing complete is held, and one may exceed the total.
            assert (order, budget.lent) == (["older", "younger"], 12)

    run(story)


def test_more_than_the_total_is_lent_to_one_where_nothing_else_goes_on() -> None:
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
                assert (budget.lent, waiting.done()) == (65, False)
            await waiting
            assert budget.lent == 6

    run(story)


def test_the_place_of_one_that_leaves_goes_to_the_next() -> None:
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
                assert (budget.waiting, budget.lent) == (0, 5)
            assert budget.lent == 0

    run(story)


@pytest.mark.parametrize("seed", range(40))
def test_every_upload_ends_within_the_bound(seed: int) -> None:
    """Uploads of any size that read at any pace, stop, leave, and are answered late, in a drawn order."""
    draw = random.Random(seed)
    total = draw.choice((0, 1, 7, 40, 100))
    largest = draw.choice((10, 60, 150))
    fill = draw.random() < 0.5  # all begin at once, so that the budget is full of incomplete ones

    async def story() -> None:
        budget = UploadBudget(total)

        async def upload(size: int, pace: int, stay: int, stops: bool) -> None:
            with budget.share() as share:
                received = 0
                while received < size:
                    await share.grow(min(received + BLOCK, size))
                    assert budget.lent <= total + largest
                    for _ in range(pace):
                        await asyncio.sleep(0)
                    received = min(received + draw.randint(1, BLOCK), size)
                    if stops and received > size // 2:
                        for _ in range(50):  # until it is given up as stalled
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
        assert (budget.lent, budget.waiting) == (0, 0)

    run(story)


def test_a_large_upload_is_not_starved_by_small_ones_that_come_for_ever() -> None:
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

    run(story)
