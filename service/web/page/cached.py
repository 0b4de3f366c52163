"""A cached value with a maximum age, made by one caller at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cached(Generic[Value]):
    """A value that is made again once it is older than `seconds`. For one event loop."""

    def __init__(self, make: Callable[[], Awaitable[Value]], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._made: tuple[float, Value] | None = None

    async def get(self) -> Value:
        """The value; raises the exception of its maker."""
        async with self._lock:
            if self._made is None or time.monotonic() - self._made[0] > self._seconds:
                value = await self._make()
                self._made = time.monotonic(), value
            return self._made[1]
