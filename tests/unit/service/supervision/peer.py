"""A scripted worker at the other end of a real connection."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from service import ipc
from service.ipc.channel import Channel, Message
from service.messages import (
    Answered,
    Begun,
    Cancel,
    FromWorker,
    NetworksLoaded,
    Photo,
    Ready,
    StatusRequest,
    from_web,
)
from tests.unit.service.coroutines import settle


class Received(NamedTuple):
    """A photo that the worker has received."""

    photo: Photo
    content: bytes
    """Content of its memory file."""

    @property
    def number(self) -> int:
        return self.photo.number


class Peer:
    """The worker's end of a connection, on the running event loop."""

    def __init__(self, connection: socket.socket) -> None:
        self.photos: asyncio.Queue[Received] = asyncio.Queue()
        self.cancelled: asyncio.Queue[int] = asyncio.Queue()
        self.requests: asyncio.Queue[int] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.channel = Channel(connection, self._received, self.closed.set)

    def send(self, message: FromWorker, body: bytes = b"") -> None:
        self.channel.send(message.head(), body)

    def begin(self, came: Received) -> None:
        self.send(Begun(number=came.number, format="JPEG", width=640, height=480))

    def answer(self, came: Received, body: bytes = b"{}") -> None:
        self.send(Answered(number=came.number, milliseconds={"decode": 2.5}, faces=1), body)

    async def photo(self, *, begun: bool = True) -> Received:
        """The next photo; its processing is reported as started."""
        came = await self.photos.get()
        if begun:
            self.begin(came)
            await settle()
        return came

    async def is_idle(self) -> bool:
        """True if no photo arrives."""
        await settle()
        return self.photos.empty()

    def _received(self, message: Message) -> None:
        match parsed := from_web(message.head):
            case Photo():
                assert message.memory is not None
                with message.memory as memory:
                    self.photos.put_nowait(Received(parsed, memory.read(0, memory.size)))
            case Cancel():
                self.cancelled.put_nowait(parsed.number)
            case StatusRequest():
                self.requests.put_nowait(parsed.number)


class Worker(Peer):
    """A scripted `service.supervision.WorkerProcess`."""

    def __init__(
        self,
        *,
        low_memory: bool = False,
        without_scan: bool = False,
        quarantine: str | None = None,
        leaves: bool = True,
    ) -> None:
        """`leaves`: it exits at the end of its connection, as a real worker does."""
        self.connection, others = ipc.pair()
        super().__init__(others)
        self.low_memory = low_memory
        self.without_scan = without_scan
        self.quarantine = quarantine
        self.kills = 0
        self._leaves = leaves
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def kill(self) -> None:
        self.kills += 1
        self.die(-9)

    async def ended(self) -> int:
        if self._leaves:
            await self.closed.wait()
            self.die(0)
        return await asyncio.shield(self._status)

    def die(self, status: int) -> None:
        """Exit, which ends the connection too."""
        if not self._status.done():
            self._status.set_result(status)
        self.channel.close()
        self.closed.set()

    def open(self) -> None:
        self.send(NetworksLoaded())

    def warm(self) -> None:
        self.open()
        self.send(Ready())
