"""A FIFO byte budget: admission control for photos."""

import asyncio
from collections import deque
from collections.abc import Callable


class Budget:
    """Grants at most `total` units at a time, first come, first served. For one event loop.

    A request for more than `total` is granted when nothing else is: a photo that exceeds the whole budget waits for all
    others and is still served. No request overtakes another, so that small ones do not starve a large one.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.granted = 0
        self.reclaim: Callable[[int], int] = _nothing
        """Gives back at least this many of the granted units and returns how many, or returns 0: a cache's part.

        Called when the first request in the queue does not fit otherwise."""
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def requested(self) -> int:
        """Units of those requests."""
        return sum(units for _, units in self._queue)

    async def take(self, units: int) -> None:
        """Waits until the units are granted; `release` gives them back. Cancelled meanwhile, it leaves no trace."""
        if not self._queue and self._fits(units):
            self.granted += units
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((granted, units))
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # granted in the same moment
                self.release(units)
            elif (granted, units) in self._queue:  # `_admit` may have passed over it already
                self._queue.remove((granted, units))
                self._admit()
            raise

    def release(self, units: int) -> None:
        """Gives back what `take` was granted."""
        self.granted -= units
        self._admit()

    def _fits(self, units: int) -> bool:
        # More than the whole budget fits where nothing else is lent.
        missing = min(self.granted + units - self.total, self.granted)
        if missing > 0:
            self.granted -= self.reclaim(missing)
        return self.granted == 0 or self.granted + units <= self.total

    def _admit(self) -> None:
        while self._queue and self._fits(self._queue[0][1]):
            granted, units = self._queue.popleft()
            if not granted.cancelled():
                self.granted += units
                granted.set_result(None)


def _nothing(_: int) -> int:
    return 0
