"""A FIFO byte budget: admission control for photos."""

import asyncio
from collections import deque
from collections.abc import Callable


class Budget:
    """A budget of `total` units, granted in order of arrival. For one event loop.

    A request for more than `total` is granted once nothing else is granted. So a photo that exceeds the whole budget
    waits for all others, and is still served. No request overtakes another, so that small requests do not starve a
    large one.

    Attributes:
        granted: units that are granted at present.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.granted = 0
        self.reclaim: Callable[[int], int] = _nothing
        """Hook of a cache: evicts at least this many of the granted units and returns their number, or evicts none and
        returns 0. Called when the first request in the queue does not fit otherwise."""
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """Number of requests in the queue."""
        return len(self._queue)

    @property
    def requested(self) -> int:
        """Sum of the units of the requests in the queue."""
        return sum(units for _, units in self._queue)

    async def take(self, units: int) -> None:
        """Wait until the units are granted; `release` returns them. A cancelled request is removed from the queue."""
        if not self._queue and self._fits(units):
            self.granted += units
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((granted, units))
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # granted at the same moment
                self.release(units)
            elif (granted, units) in self._queue:  # `_admit` may have skipped and removed it already
                self._queue.remove((granted, units))
                self._admit()
            raise

    def release(self, units: int) -> None:
        """Return units that `take` was granted."""
        self.granted -= units
        self._admit()

    def _fits(self, units: int) -> bool:
        # More than the whole budget fits if nothing else is granted.
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
