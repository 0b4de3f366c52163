"""Coroutines run to their end, for what has one event loop."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 30
"""After which a coroutine hangs."""


def run(story: Callable[[], Awaitable[None]]) -> None:
    """The coroutine in an event loop of its own."""

    async def bounded() -> None:
        async with asyncio.timeout(SECONDS):
            await story()

    asyncio.run(bounded())


async def settle() -> None:
    """Some turns for every other task."""
    for _ in range(10):
        await asyncio.sleep(0)
