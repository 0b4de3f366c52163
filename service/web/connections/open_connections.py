"""Bounds on connections without a request in progress; the oldest is closed first.

Such a connection is new and silent, or has sent a part of a head, or is kept alive, or lingers after its answer. The
kernel has all of its last answer, so its end costs no caller an answer. A connection whose answer is partly unsent is
not idle: the output timer of `Connection` ends it.
"""

import logging
import sys
from collections.abc import Callable
from typing import Protocol

from service.web.connections.rate_limited_warning import RateLimitedWarning

MOST_IDLE = 2048
"""Connections without a request in progress. Each takes some 7 KiB of the process (measured, 10,000 connections), all
of them 14 MiB. The app keeps no connection open, and a proxy in front keeps tens."""

HEAD_BYTES = 16 * 1024 * 1024
"""Bytes of all incomplete heads together: 256 of the maximum size, while the app's have some 300 bytes and come in one
piece. Without this bound 10,000 heads of 60 kB took 616 MiB, with it 12 MiB."""


class Idle(Protocol):
    """A connection without a request in progress."""

    def evict(self) -> None:
        """Closes it at once."""


class OpenConnections:
    """The connections of one server: how many there are, and which of them are idle since when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.most = sys.maxsize
        """Connections for which there are file descriptors."""
        self.changed: Callable[[], None] = lambda: None
        """Called when a connection is closed, or becomes idle."""
        self._clock = clock
        self._open = 0
        self._idle: dict[Idle, float] = {}
        self._heads: dict[Idle, int] = {}
        self._head_bytes = 0
        self._evicted = RateLimitedWarning(logging.getLogger(__name__))

    @property
    def full(self) -> bool:
        """Every file descriptor for connections is taken."""
        return self._open >= self.most

    @property
    def oldest_idle_since(self) -> float | None:
        """The time, by the clock, since which the oldest idle connection is idle."""
        return next(iter(self._idle.values()), None)

    def opened(self) -> None:
        """Counts a connection that was accepted."""
        self._open += 1

    def closed(self, connection: Idle) -> None:
        """Forgets a connection."""
        self._open -= 1
        self.busy(connection)
        self.changed()

    def idle(self, connection: Idle) -> None:
        """Notes that a connection has no request in progress, from now on."""
        self.busy(connection)
        self._idle[connection] = self._clock()
        while len(self._idle) > MOST_IDLE:
            self.evict_oldest()
        self.changed()

    def head(self, connection: Idle, received: int) -> None:
        """Notes how many bytes of an incomplete head an idle connection has sent."""
        if connection not in self._idle:
            return
        self._head_bytes += received - self._heads.get(connection, 0)
        self._heads[connection] = received  # one that has sent a part before keeps its place
        while self._head_bytes > HEAD_BYTES:
            self._evict(next(iter(self._heads)))

    def busy(self, connection: Idle) -> None:
        """Notes that a connection is not idle."""
        self._idle.pop(connection, None)
        self._head_bytes -= self._heads.pop(connection, 0)

    def evict_oldest(self) -> None:
        """Closes the connection that is idle for the longest time."""
        self._evict(next(iter(self._idle)))

    def _evict(self, connection: Idle) -> None:
        self.busy(connection)
        self._evicted.warning(
            "connections without a request are too many (%d of %d): the oldest is closed",
            len(self._idle) + 1,
            self._open,
        )
        connection.evict()
