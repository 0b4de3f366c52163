"""Graceful shutdown: finish accepted requests, then exit within a deadline."""

import asyncio
import ctypes
import logging
import signal
import socket
import struct
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn

from service.connections import Accepting, HangUps, OpenConnections
from service.early_exit import SIGNALS, exit_now

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 0.2
"""For handshakes of TCP that have begun when the service stops."""

ECHO_SECONDS = 1.0
"""A second signal within this time counts as the first one: a signal to a group of processes reaches the service once
by itself, and once through the make that started it."""

MARGIN_SECONDS = 15.0
"""After the grace period, for threads, which cannot be stopped; then the process ends without them."""

_SO_ATTACH_FILTER = 26
"""asm-generic/socket.h; the socket module does not name it."""
_NO_NEW_CALLERS = (
    # Classic BPF over the TCP header (linux/filter.h): drop a SYN that is no SYN-ACK, let everything else through.
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


class Server(uvicorn.Server):
    """uvicorn's server, which by itself resets connections that the system had accepted and it had not."""

    def __init__(self, config: uvicorn.Config, hang_ups: HangUps, open_connections: OpenConnections) -> None:
        super().__init__(config)
        self._hang_ups = hang_ups
        self._open_connections = open_connections
        self._accepting: Accepting | None = None
        self._told: float | None = None
        """When the first signal came."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._hang_ups.start()
        await super().startup([])  # uvicorn would let asyncio accept; see `Accepting`
        self._accepting = Accepting(sockets or (), self._protocol, self._open_connections)
        self._accepting.start()

    def _protocol(self) -> asyncio.Protocol:
        """A connection, as uvicorn makes them."""
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        grace = self.config.timeout_graceful_shutdown
        if grace is not None:
            last_resort = asyncio.get_running_loop().call_later(grace + MARGIN_SECONDS, end_at_once, 1)
        refuse_new_callers(sockets or ())
        await asyncio.sleep(HANDSHAKE_SECONDS)
        if self._accepting is not None:
            await self._accepting.finish((grace or 0) / 2)
        await super().shutdown(sockets)
        if grace is not None:
            last_resort.cancel()
        self._hang_ups.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops the service gracefully, a second one at once.

        uvicorn's own would raise the signal again in the end, and so change the exit status.
        """
        now = time.monotonic()
        if self._told is None:
            self._told = now
        elif now - self._told > ECHO_SECONDS:
            end_at_once(128 + sig)
        self.should_exit = True


def refuse_new_callers(listeners: Sequence[socket.socket]) -> None:
    """Drops new handshakes of TCP in the kernel; those that have begun finish, and are accepted.

    Closing a listening socket resets the connections in its queue, and new ones may enter it until that moment. A
    caller that is refused in this way tries again by itself, after a second, and reaches the service that listens then.

    Linux since 5d39580f68e6 (2026, and in stable releases) lets only CAP_NET_ADMIN do this. Without, a
    handshake that begins in the moment of closing may be reset.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_NEW_CALLERS))
    filter_ = struct.pack("HL", len(_NO_NEW_CALLERS), ctypes.addressof(program))
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
        except PermissionError:
            log.debug("this system lets no ordinary account refuse callers before it stops to listen")


def end_at_once(status: int) -> None:
    """End of this process and its children, whatever they are doing."""
    log.warning("ending at once; photos in work are lost")
    exit_now(status)


def stop_on_signals(server: uvicorn.Server) -> None:
    """From now on SIGNALS stop the server; until now they ended the process (`early_exit`)."""
    for number in SIGNALS:
        signal.signal(number, server.handle_exit)
