"""Graceful shutdown: finish accepted requests, then exit within a deadline.

Connections in the kernel's queue of an inherited socket stay there, for the next service. The queue of a socket that
this process created is emptied first: closing that socket resets the connections in it.
"""

import asyncio
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from service.early_exit import SIGNALS, exit_now
from service.web.connections import CLOSING, Acceptor, HangUps, OpenConnections, TlsTransport
from service.web.server.certificate import Certificate
from service.web.server.listening import Inherited

log = logging.getLogger(__name__)

ECHO_SECONDS = 1.0
"""A second signal within this time counts as the first. A signal to a process group reaches the service twice:
directly, and through the `make` that started it."""

MARGIN_SECONDS = 15.0
"""Seconds after the grace period for threads, which cannot be stopped. Then the process ends without them."""


class Server(uvicorn.Server):
    """uvicorn's server, with `Acceptor`: uvicorn's own would reset connections in the kernel's queue at shutdown."""

    def __init__(
        self,
        config: uvicorn.Config,
        hang_ups: HangUps,
        open_connections: OpenConnections,
        certificate: Certificate | None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._hang_ups = hang_ups
        self._open_connections = open_connections
        self._acceptor: Acceptor | None = None
        self._closing: asyncio.Future[None] | None = None
        """Done when the shutdown begins: answers without an end, such as `/events`, then end."""
        self._first_signal: float | None = None
        """Time of the first signal (time.monotonic)."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._hang_ups.start()
        self._closing = asyncio.get_running_loop().create_future()
        await super().startup([])  # uvicorn would let asyncio accept; see `Acceptor`
        self._acceptor = Acceptor(sockets or (), self._protocol, self._open_connections)
        self._acceptor.start()

    def _protocol(self) -> asyncio.Protocol:
        """A protocol for a new connection, with the arguments that uvicorn passes; below it TLS, with a certificate."""
        connection: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state={**self.lifespan.state, CLOSING: self._closing},
        )
        if self._certificate is None:
            return connection
        return TlsTransport(self._certificate.context(), connection, self._certificate.failures)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._closing is not None:
            self._closing.set_result(None)
        grace = self.config.timeout_graceful_shutdown
        if grace is not None:
            last_resort = asyncio.get_running_loop().call_later(grace + MARGIN_SECONDS, end_at_once, 1)
        if self._acceptor is not None:
            if any(isinstance(listener, Inherited) for listener in sockets or ()):
                await self._acceptor.stop()
            else:
                await self._acceptor.drain((grace or 0) / 2)
        await super().shutdown(sockets)
        if grace is not None:
            last_resort.cancel()
        self._hang_ups.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop the service gracefully at the first signal, and at once at a second one.

        uvicorn's method raises the signal again at the end, which changes the exit status.
        """
        now = time.monotonic()
        if self._first_signal is None:
            self._first_signal = now
        elif now - self._first_signal > ECHO_SECONDS:
            end_at_once(128 + sig)
        self.should_exit = True


def end_at_once(status: int) -> None:
    """End this process and its children without waiting for photos in work."""
    log.warning("ending at once; photos in work are lost")
    exit_now(status)


def stop_on_signals(server: uvicorn.Server) -> None:
    """Install handlers of SIGNALS that stop the server, instead of those of `early_exit`, which end the process."""
    for number in SIGNALS:
        signal.signal(number, server.handle_exit)
