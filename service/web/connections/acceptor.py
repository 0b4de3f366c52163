"""Acceptance of connections in small batches, within the limit of open files.

asyncio accepts as many connections at a time as the backlog holds. On Python 3.11 it logs a traceback for every failure
of such a batch: 39,947 in ten seconds with 1,100 idle connections under `ulimit -n 1024`.
"""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Callable, Sequence

from service.rate_limited_warning import RateLimitedWarning
from service.web.connections.open_connections import OpenConnections

AT_ONCE = 16
"""Connections accepted in one batch, before open ones are served again: 16 take 1.5 ms (measured). As many
connections may be evicted at once, and keep their descriptors until the next iteration of the event loop."""

RESERVED = 128
"""File descriptors for all other purposes: files, and the memory files of photos in the worker
(`supervision.dispatch.WINDOW`)."""

USUAL_LIMIT = 1024
"""Assumed soft limit of open files if a sandbox hides it: the default of Linux and systemd."""

NEW_SECONDS = 1.0
"""Minimum age of an idle connection that is closed for lack of descriptors. A caller sends its head with the last
packet of the handshake. At that age the head has been read, unless the packet was lost."""

RETRY_SECONDS = 1.0
"""Delay after a failure of accept(2) itself, such as too few descriptors; asyncio's ACCEPT_RETRY_DELAY."""

log = logging.getLogger(__name__)


class Acceptor:
    """Acceptor of connections on listening sockets, with a protocol for each connection.

    If all descriptors are in use, the oldest idle connection is closed. If no connection is idle, accepting pauses, and
    callers wait in the kernel's backlog until a connection is closed.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        connections: OpenConnections,
    ) -> None:
        self._listeners = listeners
        self._were_blocking = [os.get_blocking(listener.fileno()) for listener in listeners]
        self._protocol = protocol
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._starting: set[asyncio.Task[object]] = set()
        self._paused = True
        self._retry: asyncio.TimerHandle | None = None
        self._full = RateLimitedWarning(log)
        self._failed = RateLimitedWarning(log)

    def start(self) -> None:
        """Begin to accept, on the running loop."""
        self._connections.limit = _descriptors_for_connections(self._listeners)
        self._connections.changed = self._resume_if_possible
        self._resume()

    async def stop(self) -> None:
        """Stop accepting at once. Connections in the kernel's queues stay there, for the next process.

        The listening sockets get back the blocking mode that they had before. Returns when every accepted connection
        has its protocol.
        """
        self._stop_accepting()
        for listener, was_blocking in zip(self._listeners, self._were_blocking, strict=True):
            listener.setblocking(was_blocking)
            listener.close()
        await self._started()

    async def drain(self, seconds: float) -> None:
        """Accept the connections in the kernel's queues, then close the listening sockets.

        If descriptors are lacking, waits at most `seconds` for connections to be closed. Returns when every accepted
        connection has its protocol.

        The system has no call that only stops new connections. A connection that enters the queue after the last
        accept(2) is reset by the close.
        """
        self._stop_accepting()
        deadline = self._loop.time() + seconds
        for listener in self._listeners:
            await self._drain_queue(listener, deadline)
            listener.close()
        await self._started()

    def _stop_accepting(self) -> None:
        self._pause()
        self._connections.changed = lambda: None

    async def _started(self) -> None:
        if self._starting:
            await asyncio.wait(self._starting)

    async def _drain_queue(self, listener: socket.socket, deadline: float) -> None:
        """Accept all connections in the kernel's queue; wait until `deadline` if descriptors are lacking."""
        while True:
            seconds = NEW_SECONDS / 10
            try:
                if self._accept_batch(listener):
                    return
                if self._may_accept():
                    seconds = 0  # an evicted connection frees its descriptor in the loop's next iteration
            except OSError as error:
                self._log_failure(error)
            if self._loop.time() >= deadline:
                return
            await asyncio.sleep(seconds)

    def _log_failure(self, error: OSError) -> None:
        self._failed.warning("connections cannot be accepted now: %s", error)

    def _ready(self, listener: socket.socket) -> None:
        try:
            is_empty = self._accept_batch(listener)
        except OSError as error:
            self._log_failure(error)
            self._pause()
            self._retry = self._loop.call_later(RETRY_SECONDS, self._resume)
            return
        if not is_empty and not self._may_accept():
            self._full.warning(
                "all %d connections that the limit of open files allows are busy or new; others wait in the backlog",
                self._connections.limit,
            )
            self._pause()
            self._resume_if_possible()

    def _accept_batch(self, listener: socket.socket) -> bool:
        """Accept at most AT_ONCE connections. Returns True if the queue is empty then.

        Raises OSError for a failure of accept(2) itself, such as too few descriptors.
        """
        # O_NONBLOCK belongs to the open file description: another process with the inherited socket may have cleared
        # it.
        listener.setblocking(False)
        for _ in range(AT_ONCE):
            if not self._may_accept():
                return False
            try:
                accepted, _ = listener.accept()
            except (InterruptedError, ConnectionAbortedError):
                continue
            except BlockingIOError:
                return True
            if self._connections.full:
                self._connections.evict_oldest()
            self._connections.opened()
            starting = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, accepted))
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)
        return False

    def _may_accept(self) -> bool:
        since = self._connections.oldest_idle_since
        old = since is not None and since + NEW_SECONDS <= self._loop.time()
        return old or not self._connections.full

    def _resume_if_possible(self) -> None:
        """Resume accepting now, or when the oldest idle connection has reached NEW_SECONDS."""
        if not self._paused:
            return
        since = self._connections.oldest_idle_since
        if self._may_accept():
            self._resume()
        elif since is not None and self._retry is None:
            self._retry = self._loop.call_at(since + NEW_SECONDS, self._resume)

    def _resume(self) -> None:
        self._cancel_retry()
        self._paused = False
        for listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._ready, listener)

    def _pause(self) -> None:
        self._cancel_retry()
        self._paused = True
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _descriptors_for_connections(listeners: Sequence[socket.socket]) -> int:
    """File descriptors of the soft limit that are neither in use nor reserved."""
    try:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:  # denied by a sandbox
        soft = USUAL_LIMIT
    lowest_free = os.dup(listeners[0].fileno())  # a new descriptor is the lowest that is free (dup(2))
    os.close(lowest_free)
    free = soft - lowest_free
    reserved = RESERVED + AT_ONCE * len(listeners)
    return max(free - min(reserved, free // 2), 1)
