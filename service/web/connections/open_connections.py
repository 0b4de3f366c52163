"""Bounds on connections without a request in progress; the oldest is closed first.

Such a connection is new and silent, or has sent a part of a head, or is kept alive, or lingers after its answer. Its
last answer is completely in the kernel, so that closing the connection loses no answer. A connection whose answer is
partly unsent is not idle: the output timer of `Connection` aborts it.
"""

import logging
import sys
from collections.abc import Callable
from typing import Protocol

from service.rate_limited_warning import RateLimitedWarning

MAXIMUM_IDLE = 2048
"""Maximum number of connections without a request in progress. Each takes some 7 KiB of the process (measured with
10,000), all of them 14 MiB. The app keeps no connection open, and a proxy in front keeps tens."""

HEAD_BYTES = 16 * 1024 * 1024
"""Maximum bytes of all incomplete heads together: 256 heads of the maximum size. The app's heads have some 300 bytes
and arrive at once. Without this bound 10,000 heads of 60 kB took 616 MiB, with it 12 MiB."""


class Idle(Protocol):
    """A connection without a request in progress."""

    def evict(self) -> None:
        """Close the connection at once."""


class OpenConnections:
    """Registry of a server's connections: their number, and the idle ones in the order in which they became idle."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.limit = sys.maxsize
        """Number of connections for which there are file descriptors."""
        self.changed: Callable[[], None] = lambda: None
        """Callback when a connection is closed, or becomes idle."""
        self._clock = clock
        self._open = 0
        self._idle: dict[Idle, float] = {}
        self._heads: dict[Idle, int] = {}
        self._head_bytes = 0
        self._evicted = RateLimitedWarning(logging.getLogger(__name__))

    @property
    def full(self) -> bool:
        """True if all file descriptors for connections are in use."""
        return self._open >= self.limit

    @property
    def oldest_idle_since(self) -> float | None:
        """Time on the clock when the oldest idle connection became idle; None without one."""
        return next(iter(self._idle.values()), None)

    def opened(self) -> None:
        """Count an accepted connection."""
        self._open += 1

    def closed(self, connection: Idle) -> None:
        """Remove a connection."""
        self._open -= 1
        self.busy(connection)
        self.changed()

    def idle(self, connection: Idle) -> None:
        """Mark a connection as one without a request in progress."""
        self.busy(connection)
        self._idle[connection] = self._clock()
        while len(self._idle) > MAXIMUM_IDLE:
            self.evict_oldest()
        self.changed()

    def head(self, connection: Idle, received: int) -> None:
        """Set the number of bytes that an idle connection has sent of an incomplete head."""
        if connection not in self._idle:
            return
        self._head_bytes += received - self._heads.get(connection, 0)
        self._heads[connection] = received  # a connection that has sent a part before keeps its place
        while self._head_bytes > HEAD_BYTES:
            self._evict(next(iter(self._heads)))

    def busy(self, connection: Idle) -> None:
        """Mark a connection as not idle."""
        self._idle.pop(connection, None)
        self._head_bytes -= self._heads.pop(connection, 0)

    def evict_oldest(self) -> None:
        """Close the connection that is idle for the longest time."""
        self._evict(next(iter(self._idle)))

    def _evict(self, connection: Idle) -> None:
        self.busy(connection)
        self._evicted.warning(
            "too many connections without a request (%d of %d): the oldest is closed",
            len(self._idle) + 1,
            self._open,
        )
        connection.evict()
