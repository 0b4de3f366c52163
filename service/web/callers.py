"""The caller of each request, under our own server and under any other ASGI server.

Our own connection detects a hang-up at any time, and has more to offer (service/web/connections). Another server
reports a hang-up by the message `http.disconnect` alone, which `receive` gives once the body is read. So a caller that
hangs up while its body waits unread is noticed there only when the body is read.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.connections import CLOSING, CONNECTION, HUNG_UP

log = logging.getLogger(__name__)

CALLER = "caller"
"""Item of a request's state: its Caller."""

STREAM_SECONDS = 20.0
"""Duration of an answer without an end, under another server: that one waits at its shutdown for the end of each
answer, and ASGI announces no shutdown before. A browser opens the stream again after some seconds."""

WITH_BODY = frozenset({"POST"})
"""Methods of paths whose bodies the application reads."""


class Connection(Protocol):
    """The connection of a request."""

    def park(self) -> None:
        """Mark the connection as one that may be closed for lack of descriptors."""

    def unpark(self) -> None:
        """End the mark."""

    def evict(self) -> None:
        """Close the connection at once, or end its request."""


@dataclass(frozen=True)
class Caller:
    """The caller of one request."""

    connection: Connection
    hung_up: asyncio.Future[None]
    """Done when the caller has hung up."""
    closing: asyncio.Future[None]
    """Done when the shutdown of the server begins; never under another server than our own."""
    stream_seconds: float | None
    """STREAM_SECONDS; None if `closing` ends an answer without an end."""

    def stream_ends(self) -> tuple[asyncio.Future[None], ...]:
        """Futures of which the first one that is done ends an answer without an end, which begins now."""
        ends = (self.hung_up, self.closing)
        if self.stream_seconds is None:
            return ends
        loop = asyncio.get_running_loop()
        timed: asyncio.Future[None] = loop.create_future()
        loop.call_later(self.stream_seconds, timed.set_result, None)
        return (*ends, timed)


class Callers:
    """Middleware: the Caller in the state of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if CONNECTION in state:  # our own server
            state[CALLER] = Caller(state[CONNECTION], state[HUNG_UP], state[CLOSING], None)
            await self._app(scope, receive, send)
            return
        watch = DisconnectWatch(receive)
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        state[CALLER] = Caller(watch, watch.hung_up, closing, STREAM_SECONDS)
        if scope["method"] not in WITH_BODY:
            watch.start()
        try:
            await self._app(scope, watch.receive, send)
        finally:
            watch.close()


class DisconnectWatch:
    """Watch for `http.disconnect` after the body of one request, and the connection of its Caller.

    The server's `receive` is never called twice at the same time: the watch starts after the last part of the body, and
    `receive` of this class calls it no more then.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the watch. A body that is not read yet is discarded."""
        self._watching = asyncio.create_task(self._until_disconnect())

    def close(self) -> None:
        """End the watch."""
        if self._watching is not None:
            self._watching.cancel()

    async def receive(self) -> Message:
        """The next message for the application."""
        if self._watching is not None:
            await asyncio.wait((self.hung_up,))  # not awaited itself: a cancellation would cancel the future
            return {"type": "http.disconnect"}
        message = await self._next()
        if message["type"] == "http.disconnect":
            self.evict()
        elif not message.get("more_body", False):
            self.start()
        return message

    def park(self) -> None:
        """No effect: the server bounds its connections."""

    def unpark(self) -> None:
        """No effect."""

    def evict(self) -> None:
        """End the request as if the caller had hung up: ASGI cannot close a connection."""
        if not self.hung_up.done():
            self.hung_up.set_result(None)

    async def _until_disconnect(self) -> None:
        while (await self._next())["type"] != "http.disconnect":
            pass
        self.evict()

    async def _next(self) -> Message:
        """The server's next message; `http.disconnect` if the server has lost the connection."""
        try:
            return await self._receive()
        except Exception as error:  # Ray's, once the proxy of the request has died
            log.debug("the server lost the connection of a request: %r", error)
            return {"type": "http.disconnect"}
