"""A FIFO byte budget: admission control for photos."""

import asyncio
from collections import deque
from collections.abc import Callable


class Budget:
    """Lends at most `total` units at a time, in the order of asking. For one event loop.

    More than `total` is lent to one who then is alone: a photo that exceeds the whole budget waits for all others
    and is still served. Nobody overtakes, so a large request is not starved by small ones.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.lent = 0
        self.reclaim: Callable[[int], int] = _nothing
        """Gives back at least this many of the lent units at once and returns how many, or returns 0: a cache's part.

        Asked when the first in the line does not fit otherwise."""
        self._line: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the line."""
        return len(self._line)

    @property
    def waited_for(self) -> int:
        """Units that those in the line ask for."""
        return sum(units for _, units in self._line)

    async def take(self, units: int) -> None:
        """Waits for its turn; `release` gives the units back. Cancelled while it waits, it leaves no trace."""
        if not self._line and self._fits(units):
            self.lent += units
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((turn, units))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same moment
                self.release(units)
            elif (turn, units) in self._line:  # `_admit` may have passed over it already
                self._line.remove((turn, units))
                self._admit()
            raise

    def release(self, units: int) -> None:
        """Gives back what `take` lent."""
        self.lent -= units
        self._admit()

    def _fits(self, units: int) -> bool:
        # More than the whole budget fits where nothing else is lent.
        missing = min(self.lent + units - self.total, self.lent)
        if missing > 0:
            self.lent -= self.reclaim(missing)
        return self.lent == 0 or self.lent + units <= self.total

    def _admit(self) -> None:
        while self._line and self._fits(self._line[0][1]):
            turn, units = self._line.popleft()
            if not turn.cancelled():
                self.lent += units
                turn.set_result(None)


def _nothing(_: int) -> int:
    return 0
