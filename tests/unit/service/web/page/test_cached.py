"""A cached value: its age, and one caller at a time."""

import asyncio

import pytest

from service.web.page.cached import Cached
from tests.unit.service.coroutines import run_async


def test_a_value_is_made_once_for_all_callers_and_again_after_its_age() -> None:
    async def story() -> None:
        made = 0

        async def make() -> int:
            nonlocal made
            made += 1
            await asyncio.sleep(0.01)
            return made

        cached = Cached(make, 0.2)
        assert await asyncio.gather(*(cached.get() for _ in range(5))) == [1] * 5
        assert await cached.get() == 1
        await asyncio.sleep(0.25)
        assert await cached.get() == 2

    run_async(story)


def test_a_failure_is_raised_and_made_again() -> None:
    async def story() -> None:
        failures = [ZeroDivisionError()]

        async def make() -> int:
            if failures:
                raise failures.pop()
            return 1

        cached = Cached(make, 10)
        with pytest.raises(ZeroDivisionError):
            await cached.get()
        assert await cached.get() == 1

    run_async(story)
