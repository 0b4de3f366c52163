"""HTTP connection: uvicorn's protocol with time-outs, detection of hang-ups, back-pressure and graceful shutdown."""

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
from service.rate_limited_warning import RateLimitedWarning
from service.web.connections.framing import RequestParser
from service.web.connections.hang_ups import HangUps
from service.web.connections.minimum_rate import MinimumRate
from service.web.connections.open_connections import OpenConnections
from service.web.connections.transport import CallerTransport

log = logging.getLogger(__name__)

READ_AT_ONCE = 64 * 1024
"""Bytes read from a socket at a time (asyncio: 256 KiB): the memory of a connection whose upload waits."""

UNSENT = 64 * 1024
"""Bytes of answers that the kernel holds unsent for one connection (tcp(7), TCP_NOTSENT_LOWAT; asyncio's high-water
mark). Without this bound it holds 2.5 MB: 170 answers of /metrics for a caller that reads none."""

LAST_CALL = 5.0
"""Seconds in which a connection without a request can still send one after the shutdown has begun."""

CUT_OFF = "the connection ended before the request's body"

HUNG_UP = "hung_up"
"""Name, in the request's state, of a future that is done when the caller has hung up."""

CLOSING = "closing"
"""Name, in the request's state, of a future that is done when the shutdown of the server begins."""

CONNECTION = "connection"
"""Name, in the request's state, of its connection: `park` while the request waits and may be evicted."""

uvicorns_log = logging.getLogger("uvicorn.error.connections")
"""Logger for uvicorn's errors of the application, without its warnings about requests. The warnings are one line per
request, unbounded and caused by callers without a key too, and they advise to install a WebSocket library.
`Connection.refusals` is used instead."""
uvicorns_log.setLevel(logging.ERROR)


class Connection(H11Protocol):
    """One connection. `connection_class` sets the class attributes."""

    patience: float
    """Seconds for a request's head to arrive, and for the progress of an answer (`MinimumRate`)."""
    hang_ups: HangUps
    open_connections: OpenConnections
    refusals: RateLimitedWarning
    """Warning about requests that h11 rejects."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        state = {**app_state, HUNG_UP: self._hung_up, CONNECTION: self}
        super().__init__(config, server_state, state, _loop)
        self.logger = uvicorns_log
        self.conn = self._parser = RequestParser(
            h11.SERVER, config.h11_max_incomplete_event_size or READ_AT_ONCE
        )
        self._timer: asyncio.TimerHandle | None = None
        self._output = MinimumRate(self.patience)
        """Minimum rate at which the caller reads answers. It counts all answers of the connection together, so that
        endless requests do not extend the time."""
        self._unacknowledged = 0
        """Bytes of answers that were not acknowledged at `_unacknowledged_since`."""
        self._unacknowledged_since = 0.0
        self._output_timer: asyncio.TimerHandle | None = None
        self._descriptor = -1
        self._parked = False
        """The request in progress waits for the check of its key, and may be evicted."""
        self._shutting_down = False
        self._fin_received = False
        """The kernel has received the FIN; bytes before it may be unread."""
        self._fin_read = False
        """The FIN has been read, and all bytes before it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._caller_transport = CallerTransport(transport, self._unread)
        super().connection_made(self._caller_transport)
        # An attribute of asyncio's own transports; another loop ignores it.
        transport.max_size = READ_AT_ONCE  # type: ignore[attr-defined]
        # With 0, pause_writing and resume_writing report exactly whether this process still holds a part of an answer.
        transport.set_write_buffer_limits(high=0)
        connected = transport.get_extra_info("socket")
        with suppress(OSError):  # a sandbox may deny the option
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._descriptor = connected.fileno()
        self.hang_ups.watch(self._descriptor, self._on_end_of_input, self._on_hang_up)
        self.open_connections.idle(self)
        self._abort_after(self.patience)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._caller_transport.lingering is not None:
            self._caller_transport.lingering.discard(len(data))
            return
        super().data_received(data)
        if not self._caller_transport.is_closing():
            self._after_input(new=self.cycle is not before)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Half-close by the caller: True keeps the connection open if a complete request has no answer yet."""
        self._fin_read = True
        if not self._in_progress:
            return False
        if self.cycle.more_body:
            self._refuse(HTTPStatus.BAD_REQUEST, CUT_OFF)
            return False
        self._on_end_of_input()
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_progress:  # the next request was in the buffer
            self._after_input(new=True)
            return
        self._idle_once_sent()
        if self._fin_read:
            self._caller_transport.close()

    def pause_writing(self) -> None:
        """Called by asyncio when a part of an answer does not fit into the socket's buffer."""
        super().pause_writing()
        # An eviction would cut the answer off; the output timer aborts the connection instead.
        self.open_connections.busy(self)
        self._unacknowledged, self._unacknowledged_since = self._unacknowledged_now(), self.loop.time()
        self._output_timer = self.loop.call_later(self._output.left, self._check_output_rate)

    def resume_writing(self) -> None:
        """Called by asyncio when the kernel has the whole answer."""
        super().resume_writing()
        self._count_acknowledged()
        self._stop_output_timer()
        if not self._in_progress:
            self._idle_once_sent()
            if self.conn.trailing_data[0] and self._timer is None:
                self._abort_after(self.patience)  # for the rest of the next request's head

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_output_timer()
        self._caller_transport.lost()
        self.hang_ups.forget(self._descriptor)
        self.open_connections.closed(self)
        self._on_hang_up()
        super().connection_lost(exc)
        # Breaks the reference cycles, as in `CallerTransport.lost`: that of the state, and that of the last request.
        self.app_state.pop(CONNECTION)
        self.cycle = self.scope = None  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        """Answer a request that h11 rejects; uvicorn's answer is not JSON."""
        status, reason = self._parser.refusal
        self.refusals.warning("a request was answered with %d: %s", status, self._parser.kind_of_fault)
        self._refuse(status, reason)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer a faulty request instead of the application, and close the connection."""
        if self._in_progress:  # a fault in the body, while the application is processing the request
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._on_hang_up()
            self._idle_once_sent()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = serialised({"error": reason})
            headers = [
                ("content-type", MEDIA_TYPE),
                ("content-length", str(len(body))),
                ("x-content-type-options", "nosniff"),
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
        """Close the connection after its request. Without a request, it has LAST_CALL to send one."""
        self._shutting_down = True
        if not self._in_progress and not self.transport.get_write_buffer_size():
            self._abort_after(LAST_CALL)  # the next request may be in transit
        else:
            super().shutdown()

    def evict(self) -> None:
        """Close an idle connection at once."""
        self._caller_transport.abort()

    def park(self) -> None:
        """Mark the connection as idle although a request is in progress: its key is not checked yet."""
        if not self._hung_up.done():
            self._parked = True
            self.open_connections.idle(self)

    def unpark(self) -> None:
        """End `park`: the request is answered now."""
        if self._parked:
            self._parked = False
            self.open_connections.busy(self)

    @property
    def _in_progress(self) -> bool:
        """True if a request has no complete answer."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.disconnected

    def _unread(self) -> bool:
        """True if a part of a request may still arrive, or has arrived and is not read."""
        unfinished = self.conn.their_state in (h11.SEND_BODY, h11.ERROR)
        return not self._fin_read and (unfinished or bool(self.conn.trailing_data[0]))

    def _after_input(self, *, new: bool) -> None:
        """Called after each received part of a request, and for each `new` request that was in the buffer."""
        if not self._in_progress:
            self._count_head()
            if self._timer is None and not self.transport.get_write_buffer_size():
                self._abort_after(self.patience)
            return
        self._stop_timer()
        if not self._parked:
            self.open_connections.busy(self)
        if self._shutting_down:
            self.cycle.keep_alive = False
        if self.cycle.more_body:
            if self._fin_read:
                self._refuse(HTTPStatus.BAD_REQUEST, CUT_OFF)
                return
            if new or self.cycle.body:
                # Back-pressure: paused until the application reads the body, or more of it. Not after a part without a
                # byte of the body, such as half of a chunk's size line: the application still waits for bytes then.
                self.flow.pause_reading()
        if self._fin_received:
            self._on_end_of_input()

    def _count_head(self) -> None:
        self.open_connections.head(self, len(self.conn.trailing_data[0]))

    def _on_end_of_input(self) -> None:
        """Start probes for a caller whose FIN has arrived: it may still wait for an answer."""
        self._fin_received = True
        if self._in_progress and self.conn.our_state is h11.SEND_RESPONSE:
            self._caller_transport.probe()

    def _on_hang_up(self) -> None:
        if not self._hung_up.done():
            self._hung_up.set_result(None)

    def _abort_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _idle_once_sent(self) -> None:
        """Mark the connection, without a request in progress, as idle if the kernel has its complete answer."""
        if not self.transport.get_write_buffer_size():
            self.open_connections.idle(self)
            if not self._caller_transport.is_closing():
                self._count_head()

    def _check_output_rate(self) -> None:
        """Abort the connection if its answer is read more slowly than MinimumRate allows."""
        self._count_acknowledged()
        if self._output.left <= 0:
            self.transport.abort()
        else:
            self._output_timer = self.loop.call_later(self._output.left, self._check_output_rate)

    def _count_acknowledged(self) -> None:
        unacknowledged, now = self._unacknowledged_now(), self.loop.time()
        self._output.count(now - self._unacknowledged_since, max(self._unacknowledged - unacknowledged, 0))
        self._unacknowledged, self._unacknowledged_since = unacknowledged, now

    def _unacknowledged_now(self) -> int:
        """Bytes of answers without an ACK, in this process and in the socket's buffer.

        The buffer may hold megabytes, and asyncio can write again only when a third of it is free. So at MINIMUM_RATE
        the number of bytes in this process can be constant for many minutes.
        """
        in_kernel = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def _stop_output_timer(self) -> None:
        if self._output_timer is not None:
            self._output_timer.cancel()
            self._output_timer = None


def connection_class(seconds: float, watcher: HangUps, all_connections: OpenConnections) -> type[Connection]:
    """The protocol class of one server, with its class attributes. `seconds`: FACE_PATIENCE."""

    class ServerConnection(Connection):
        patience = seconds
        hang_ups = watcher
        open_connections = all_connections
        refusals = RateLimitedWarning(log)

    return ServerConnection
