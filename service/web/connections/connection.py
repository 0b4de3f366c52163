"""One caller's connection: uvicorn's, with time-outs, detection of hang-ups, back-pressure and a graceful shutdown."""

import asyncio
import fcntl
import logging
import socket
import sys
import termios
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from service.json_text import MEDIA_TYPE, serialised
from service.web.connections.framing import RequestParser
from service.web.connections.hang_ups import HangUps
from service.web.connections.minimum_rate import MinimumRate
from service.web.connections.open_connections import OpenConnections
from service.web.connections.rate_limited_warning import RateLimitedWarning
from service.web.connections.transport import CallerTransport

log = logging.getLogger(__name__)

READ_AT_ONCE = 64 * 1024
"""Bytes taken from a socket at a time (asyncio: 256 KiB), which is what a caller that waits its turn may cost."""

UNSENT = 64 * 1024
"""Bytes of answers that the kernel holds unsent for one connection (tcp(7), TCP_NOTSENT_LOWAT; asyncio's high-water
mark). Without this bound it takes 2.5 MB, for which a caller that reads nothing has 170 answers of /metrics made."""

LAST_CALL = 5.0
"""Seconds that a connection without a request has to send one, once the service is stopping."""

CUT_OFF = "the connection ended before the request's body"

HUNG_UP = "hung_up"
"""Name, in the request's state, of a future that is done when the caller has hung up."""


uvicorns_log = logging.getLogger("uvicorn.error.connections")
"""For uvicorn's errors of the application. Its warnings concern requests: one line each, from callers without a key and
without a bound, and they advise to install a WebSocket library. `Connection.refusals` says more in fewer lines."""
uvicorns_log.setLevel(logging.ERROR)


class Connection(H11Protocol):
    """One caller's connection. `connections` sets the class's attributes."""

    patience: float
    """Seconds for a request's head to arrive, and for an answer to be taken (`MinimumRate`)."""
    hang_ups: HangUps
    open_connections: OpenConnections
    refusals: RateLimitedWarning

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        super().__init__(config, server_state, {**app_state, HUNG_UP: self._hung_up}, _loop)
        self.logger = uvicorns_log
        self.conn = self._parser = RequestParser(
            h11.SERVER, config.h11_max_incomplete_event_size or READ_AT_ONCE
        )
        self._timer: asyncio.TimerHandle | None = None
        self._output = MinimumRate(self.patience)
        """Seconds that the caller may still let its answers wait; for all of the connection's answers together, so that
        an endless row of requests cannot buy time."""
        self._untaken = 0
        """Bytes that the caller had not taken at `_untaken_since`."""
        self._untaken_since = 0.0
        self._output_timer: asyncio.TimerHandle | None = None
        self._descriptor = -1
        self._leaving = False
        self._end_of_input = False
        """The kernel has the caller's FIN; bytes before it may be unread."""
        self._all_read = False
        """The FIN has been read, and with it all that the caller sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._caller_transport = CallerTransport(transport, self._unread)
        super().connection_made(self._caller_transport)
        # Of asyncio's own transports; another loop's would not mind.
        transport.max_size = READ_AT_ONCE  # type: ignore[attr-defined]
        # Then pause_writing and resume_writing say exactly whether a part of an answer is still here.
        transport.set_write_buffer_limits(high=0)
        connected = transport.get_extra_info("socket")
        with suppress(OSError):  # a sandbox without the option
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._descriptor = connected.fileno()
        self.hang_ups.watch(self._descriptor, self._input_ends, self._caller_gone)
        self.open_connections.idle(self)
        self._give_up_after(self.patience)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._caller_transport.lingering is not None:
            self._caller_transport.lingering.discard(len(data))
            return
        super().data_received(data)
        if not self._caller_transport.is_closing():
            self._after_input(new=self.cycle is not before)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Half-close: True, so that the connection stays open, where a whole request has no answer yet."""
        self._all_read = True
        if not self._in_progress:
            return False
        if self.cycle.more_body:
            self._refuse(HTTPStatus.BAD_REQUEST, CUT_OFF)
            return False
        self._input_ends()
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_progress:  # the next request was in the buffer
            self._after_input(new=True)
            return
        self._idle_once_taken()
        if self._all_read:
            self._caller_transport.close()

    def pause_writing(self) -> None:
        """Called by asyncio when a part of an answer does not fit into the socket's buffer."""
        super().pause_writing()
        # An eviction would cut the answer off; the output timer ends the connection instead.
        self.open_connections.busy(self)
        self._untaken, self._untaken_since = self._untaken_now(), self.loop.time()
        self._output_timer = self.loop.call_later(self._output.left, self._see_taken)

    def resume_writing(self) -> None:
        """Called by asyncio when the kernel has the whole answer."""
        super().resume_writing()
        self._count_taken()
        self._stop_output_timer()
        if not self._in_progress:
            self._idle_once_taken()
            if self.conn.trailing_data[0] and self._timer is None:
                self._give_up_after(self.patience)  # for the rest of the next request's head

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_output_timer()
        self._caller_transport.lost()
        self.hang_ups.forget(self._descriptor)
        self.open_connections.closed(self)
        self._caller_gone()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuses a request that h11 does not accept; uvicorn's own answer is not JSON."""
        status, reason = self._parser.refusal
        self.refusals.warning("a request was answered with %d: %s", status, self._parser.kind_of_fault)
        self._refuse(status, reason)

    def _refuse(self, status: int, reason: str) -> None:
        """Answers a faulty request in the place of the application, and closes the connection."""
        if self._in_progress:  # a fault in its body, while the application works on it
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._caller_gone()
            self._idle_once_taken()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = serialised({"error": reason})
            headers = [
                ("content-type", MEDIA_TYPE),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            phrase = HTTPStatus(status).phrase
            # RFC 9110, section 9.3.2
            bodiless = self._parser.is_head and self.conn.our_state is h11.SEND_RESPONSE
            for event in (
                h11.Response(status_code=status, headers=headers, reason=phrase),
                h11.Data(data=b"" if bodiless else body),
                h11.EndOfMessage(),
            ):
                self._caller_transport.write(self.conn.send(event) or b"")
        self._caller_transport.close()

    def shutdown(self) -> None:
        """Ends the connection after its request; one whose request is still on its way has LAST_CALL for it."""
        self._leaving = True
        if not self._in_progress and not self.transport.get_write_buffer_size():
            self._give_up_after(LAST_CALL)  # a kept one may have sent its next request already
        else:
            super().shutdown()

    def evict(self) -> None:
        """Closes an idle connection at once."""
        self._caller_transport.abort()

    @property
    def _in_progress(self) -> bool:
        """A request without its whole answer."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.disconnected

    def _unread(self) -> bool:
        """A part of a request that may still come, or has come and is not read."""
        unfinished = self.conn.their_state in (h11.SEND_BODY, h11.ERROR)
        return not self._all_read and (unfinished or bool(self.conn.trailing_data[0]))

    def _after_input(self, *, new: bool) -> None:
        """Follows each piece of a request, and each `new` request that was in the buffer."""
        if not self._in_progress:
            self._count_head()
            if self._timer is None and not self.transport.get_write_buffer_size():
                self._give_up_after(self.patience)
            return
        self._stop_timer()
        self.open_connections.busy(self)
        if self._leaving:
            self.cycle.keep_alive = False
        if self.cycle.more_body:
            if self._all_read:
                self._refuse(HTTPStatus.BAD_REQUEST, CUT_OFF)
                return
            if new or self.cycle.body:
                # Until the application asks for the body, or for more of it: its turn may be far away. After a piece
                # without a byte of the body, such as half of a chunk's size, the application still waits for one.
                self.flow.pause_reading()
        if self._end_of_input:
            self._input_ends()

    def _count_head(self) -> None:
        self.open_connections.head(self, len(self.conn.trailing_data[0]))

    def _input_ends(self) -> None:
        """Finds out whether a caller whose FIN has come still waits for an answer."""
        self._end_of_input = True
        if self._in_progress and self.conn.our_state is h11.SEND_RESPONSE:
            self._caller_transport.probe()

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

    def _idle_once_taken(self) -> None:
        """Counts the connection, without a request in progress, as idle if the kernel has its whole answer."""
        if not self.transport.get_write_buffer_size():
            self.open_connections.idle(self)
            if not self._caller_transport.is_closing():
                self._count_head()

    def _see_taken(self) -> None:
        """Gives up on a caller that takes its answer more slowly than MinimumRate allows."""
        self._count_taken()
        if self._output.left <= 0:
            self.transport.abort()
        else:
            self._output_timer = self.loop.call_later(self._output.left, self._see_taken)

    def _count_taken(self) -> None:
        untaken, now = self._untaken_now(), self.loop.time()
        self._output.count(now - self._untaken_since, max(self._untaken - untaken, 0))
        self._untaken, self._untaken_since = untaken, now

    def _untaken_now(self) -> int:
        """Bytes of answers that the caller's kernel has not acknowledged, here and in the socket's buffer.

        The latter may have megabytes, and lets asyncio write again only when a third of it is free: at MINIMUM_RATE
        that can be many minutes without a change here.
        """
        in_kernel = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def _stop_output_timer(self) -> None:
        if self._output_timer is not None:
            self._output_timer.cancel()
            self._output_timer = None


def connections(seconds: float, watcher: HangUps, all_connections: OpenConnections) -> type[Connection]:
    """The class of one server's connections: patience, detection of hang-ups, registry and log of refusals."""

    class OfThisServer(Connection):
        patience = seconds
        hang_ups = watcher
        open_connections = all_connections
        refusals = RateLimitedWarning(log)

    return OfThisServer
