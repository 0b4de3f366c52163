"""uvicorn's connection, and four things that it lacks: patience with an end, hang-ups noticed while nothing is read,
bodies that wait unread, and a shutdown that lets in what the system has already accepted."""

import asyncio
import select
from collections.abc import Callable
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

READ_AT_ONCE = 64 * 1024
"""Bytes taken from a socket at a time (asyncio: 256 KiB), which is what a caller that waits its turn may cost."""

LAST_CALL = 5.0
"""Seconds that a connection without a request has to send one, once the service is stopping."""

HUNG_UP = "hung_up"
"""Name, in the request's state, of a future that is done when the caller has hung up."""


class HangUps:
    """Tells when the other side of a socket is closed, also while nothing is read from it.

    asyncio notices a caller's end only when it reads, and a body that waits unread is not read. The kernel knows
    (epoll_ctl(2), EPOLLRDHUP): one epoll for all sockets, itself watched by the event loop.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """Begins to call back, on the running loop."""
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._tell)

    def watch(self, descriptor: int, hung_up: Callable[[], None]) -> None:
        """Calls `hung_up` once, when the other side of this socket is closed."""
        self._watched[descriptor] = hung_up
        self._epoll.register(descriptor, select.EPOLLRDHUP)

    def forget(self, descriptor: int) -> None:
        """No more of this socket, which is about to be closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _tell(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            hung_up = self._watched.get(descriptor)
            self.forget(descriptor)
            if hung_up is not None:
                hung_up()


class Connection(H11Protocol):
    """One caller's connection. `connections` sets the class's attributes."""

    patience: float
    """Seconds for a request's head to arrive, and for an answer to be taken at all."""
    hang_ups: HangUps

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        super().__init__(config, server_state, {**app_state, HUNG_UP: self._hung_up}, _loop)
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = -1
        self._leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Of asyncio's own transports; another loop's would not mind.
        transport.max_size = READ_AT_ONCE  # type: ignore[attr-defined]
        self._descriptor = transport.get_extra_info("socket").fileno()
        self.hang_ups.watch(self._descriptor, self._caller_gone)
        self._give_up_after(self.patience)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            if self._timer is None:
                self._give_up_after(self.patience)
            return
        self._stop_timer()
        if self._leaving:
            self.cycle.keep_alive = False
        if self.cycle is not before and self.cycle.more_body:
            # Until the application asks for the body: its turn may be far away.
            self.flow.pause_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if left := self.transport.get_write_buffer_size():
            self._see_taken(left)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.hang_ups.forget(self._descriptor)
        self._caller_gone()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Ends the connection after its request; one whose request is still on its way has LAST_CALL for it."""
        self._leaving = True
        between = self.cycle is None or self.cycle.response_complete
        if between and not self.transport.get_write_buffer_size():
            self._give_up_after(LAST_CALL)  # a kept one may have sent its next request already
        else:
            super().shutdown()

    def _caller_gone(self) -> None:
        if not self._hung_up.done():
            self._hung_up.set_result(None)

    def _give_up_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _see_taken(self, before: int) -> None:
        """Gives up on a caller that has taken nothing of its answer since there were `before` bytes left of it."""

        def again() -> None:
            left = self.transport.get_write_buffer_size()
            self._timer = None
            if left == before:
                self.transport.abort()
            elif left:
                self._see_taken(left)
            else:  # all is taken: what the caller may have begun to say next has its own time
                self._give_up_after(self.patience)

        self._stop_timer()
        self._timer = self.loop.call_later(self.patience, again)


def connections(seconds: float, watcher: HangUps) -> type[Connection]:
    """The connections of one server: their patience, and who tells them of hang-ups."""

    class OfThisServer(Connection):
        patience = seconds
        hang_ups = watcher

    return OfThisServer
