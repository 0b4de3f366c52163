"""Graceful shutdown: finish accepted requests, then exit within a deadline.

Connections that are not accepted yet stay in the kernel's queue of an inherited socket, for the next service. The queue
of an own socket is emptied first: closing that socket resets what is in it.
"""

import asyncio
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from service.early_exit import SIGNALS, exit_now
from service.web.connections import Accepting, HangUps, OpenConnections
from service.web.server.listening import Inherited

log = logging.getLogger(__name__)

ECHO_SECONDS = 1.0
"""A second signal within this time counts as the first one: a signal to a group of processes reaches the service once
by itself, and once through the make that started it."""

MARGIN_SECONDS = 15.0
"""After the grace period, for threads, which cannot be stopped; then the process ends without them."""


class Server(uvicorn.Server):
    """uvicorn's server, which by itself resets connections that the system had accepted and it had not."""

    def __init__(self, config: uvicorn.Config, hang_ups: HangUps, open_connections: OpenConnections) -> None:
        super().__init__(config)
        self._hang_ups = hang_ups
        self._open_connections = open_connections
        self._accepting: Accepting | None = None
        self._first_signal: float | None = None
        """Time of the first signal (time.monotonic)."""

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
        if self._accepting is not None:
            if any(isinstance(listener, Inherited) for listener in sockets or ()):
                await self._accepting.leave()
            else:
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
        if self._first_signal is None:
            self._first_signal = now
        elif now - self._first_signal > ECHO_SECONDS:
            end_at_once(128 + sig)
        self.should_exit = True


def end_at_once(status: int) -> None:
    """End of this process and its children, whatever they are doing."""
    log.warning("ending at once; photos in work are lost")
    exit_now(status)


def stop_on_signals(server: uvicorn.Server) -> None:
    """From now on SIGNALS stop the server; until now they ended the process (`early_exit`)."""
    for number in SIGNALS:
        signal.signal(number, server.handle_exit)
