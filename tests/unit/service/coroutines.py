"""Test coroutines with a time-out, in a new event loop."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 30
"""Time-out of a test coroutine."""


def run_async(story: Callable[[], Awaitable[None]]) -> None:
    """Runs a test coroutine in a new event loop. Raises TimeoutError after SECONDS."""

    async def bounded() -> None:
        async with asyncio.timeout(SECONDS):
            await story()

    asyncio.run(bounded())


async def settle() -> None:
    """Lets every other task run for several iterations of the event loop."""
    for _ in range(10):
        await asyncio.sleep(0)
