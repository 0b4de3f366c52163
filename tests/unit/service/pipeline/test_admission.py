import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from service.pipeline.admission import Budget
from tests.unit.service.coroutines import run_async, settle


@asynccontextmanager
async def held(budget: Budget, units: int) -> AsyncGenerator[None, None]:
    await budget.take(units)
    try:
        yield
    finally:
        budget.release(units)


def test_requests_are_granted_in_order_of_arrival() -> None:
    async def story() -> None:
        budget = Budget(10)
        order: list[str] = []

        async def visit(name: str, units: int) -> None:
            await budget.take(units)
            order.append(name)

        await visit("first", 6)
        large = asyncio.create_task(visit("large", 8))
        small = asyncio.create_task(visit("small", 1))
        await settle()
        # There would be room for the small one, but then large ones would wait for ever.
        assert order == ["first"]
        assert (budget.waiting, budget.requested, budget.granted) == (2, 9, 6)
        budget.release(6)
        await asyncio.gather(large, small)
        assert order == ["first", "large", "small"]
        assert budget.granted == 9

    run_async(story)


def test_more_than_the_total_is_granted_alone() -> None:
    async def story() -> None:
        budget = Budget(10)
        await budget.take(1)
        huge = asyncio.create_task(budget.take(1000))
        after = asyncio.create_task(budget.take(1))
        await settle()
        assert not huge.done()
        budget.release(1)
        await huge
        await settle()
        assert not after.done()
        budget.release(1000)
        await after
        assert budget.granted == 1

    run_async(story)


def test_a_cancelled_request_lets_the_next_one_pass() -> None:
    async def story() -> None:
        budget = Budget(10)
        await budget.take(5)
        large = asyncio.create_task(budget.take(8))
        small = asyncio.create_task(budget.take(5))
        await settle()
        large.cancel()
        await small
        assert large.cancelled()
        assert (budget.waiting, budget.granted) == (0, 10)

    run_async(story)


def test_a_request_cancelled_when_granted_releases_its_units() -> None:
    async def story() -> None:
        for release_first in (True, False):
            budget = Budget(1)
            await budget.take(1)
            leaving = asyncio.create_task(budget.take(1))
            staying = asyncio.create_task(budget.take(1))
            await settle()
            if release_first:
                budget.release(1)
                leaving.cancel()
            else:
                leaving.cancel()
                budget.release(1)
            await staying
            assert leaving.cancelled()
            assert (budget.waiting, budget.granted) == (0, 1)

    run_async(story)


def test_random_requests_and_cancellations_keep_the_bound_and_starve_none() -> None:
    """Random sizes from 0 to twice the budget, some requests cancelled at a random point."""

    async def story() -> None:
        draw = random.Random(4)
        for _ in range(50):
            budget = Budget(10)
            inside: list[int] = []

            async def visit(units: int, budget: Budget, inside: list[int], stay: int) -> None:
                async with held(budget, units):
                    inside.append(units)
                    assert sum(inside) <= budget.total or len([u for u in inside if u]) == 1
                    try:
                        for _ in range(stay):
                            await asyncio.sleep(0)
                    finally:
                        inside.remove(units)

            visits = []
            for _ in range(40):
                units, stay = draw.choice((0, 1, 1, 3, 9, 10, 20)), draw.randrange(5)
                visits.append(asyncio.create_task(visit(units, budget, inside, stay)))
                if draw.random() < 0.5:
                    await asyncio.sleep(0)
                if draw.random() < 0.3:
                    draw.choice(visits).cancel()
            results = await asyncio.gather(*visits, return_exceptions=True)
            assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
            assert (budget.granted, budget.waiting) == (0, 0)

    run_async(story)
