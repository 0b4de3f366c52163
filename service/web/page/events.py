"""Server-sent events (HTML standard, 9.2) with the state of the service, from one producer for all browsers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service.web.callers import Caller

log = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
"""Interval of the events. An event has 6 kB, and with a hundred failures 30 kB. A stream never comes near the minimum
rate of a download, which counts only while an answer is not taken (connections/minimum_rate.py)."""

MAXIMUM_STREAMS = 32
"""Number of open streams: a household's browsers. Each takes a connection, and needs no key."""

END_SECONDS = 2.0
"""Time for a caller to take the end of a stream; a browser of a sleeping machine takes nothing."""

HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would collect events until its buffer is full
}


class Producer:
    """Makes the data of an event every EVERY_SECONDS while a stream is open. For one event loop."""

    def __init__(self, data: Callable[[], Awaitable[bytes]]) -> None:
        """`data` is one line in UTF-8."""
        self._data = data
        self._streams = 0
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Future[bytes] | None = None

    @property
    def full(self) -> bool:
        """True if there are MAXIMUM_STREAMS streams."""
        return self._streams >= MAXIMUM_STREAMS

    def open(self) -> None:
        """Count a stream; the first one starts the producer."""
        self._streams += 1
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    def close(self) -> None:
        """Count the end of a stream; that of the last one stops the producer."""
        self._streams -= 1
        if not self._streams and self._running is not None:
            self._running.cancel()
            self._running = None

    async def first(self) -> bytes:
        """An event now."""
        return _event(await self._data())

    def following(self) -> "asyncio.Future[bytes]":
        """The next event, the same future for all streams: a stream that is slow to send one misses the next."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                event = _event(await self._data())
            except Exception:
                log.exception("the state of the service could not be read; the next event follows")
                continue
            if self._next is not None and not self._next.done():
                self._next.set_result(event)


class EventStream(Response):
    """A stream of events until its caller hangs up or the service shuts down."""

    media_type = "text/event-stream"

    def __init__(self, producer: Producer, caller: Caller) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._producer = producer
        self._connection = caller.connection
        self._ends = caller.stream_ends()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
        else:
            self._producer.open()
            try:
                await send(start)
                await self._send_events(send)
            finally:
                self._producer.close()
        end = _body(b"", more=False)
        try:
            async with asyncio.timeout(END_SECONDS):
                await send(end)
        except TimeoutError:  # it waits until the caller has taken the event before
            self._connection.evict()
            with suppress(TimeoutError):  # another server than our own still waits for the caller
                async with asyncio.timeout(END_SECONDS):
                    await send(end)

    async def _send_events(self, send: Send) -> None:
        event = await self._producer.first()
        while True:
            sending = asyncio.ensure_future(send(_body(event, more=True)))
            if not await self._done_before_end(sending):
                sending.cancel()  # it has sent nothing, and waits as above
                return
            following = self._producer.following()
            if not await self._done_before_end(following):
                return
            event = following.result()

    async def _done_before_end(self, work: "asyncio.Future[Any]") -> bool:
        """True once `work` is done, False if the stream ends before. Raises the exception of `work`."""
        either: tuple[asyncio.Future[Any], ...] = (work, *self._ends)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if any(end.done() for end in self._ends):
            return False
        work.result()
        return True


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def _event(data: bytes) -> bytes:
    return b"event: status\ndata: " + data + b"\n\n"
