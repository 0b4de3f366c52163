"""A worker whose messages and end the test writes, at the other end of a real connection."""

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
from tests.unit.service.stories import settle


class Came(NamedTuple):
    """A photo that came to the worker."""

    photo: Photo
    content: bytes
    """Of its memory file."""

    @property
    def number(self) -> int:
        return self.photo.number


class Peer:
    """The worker's end of a connection, on the running event loop."""

    def __init__(self, connection: socket.socket) -> None:
        self.photos: asyncio.Queue[Came] = asyncio.Queue()
        self.cancelled: asyncio.Queue[int] = asyncio.Queue()
        self.requests: asyncio.Queue[int] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.channel = Channel(connection, self._received, self.closed.set)

    def send(self, message: FromWorker, body: bytes = b"") -> None:
        self.channel.send(message.head(), body)

    def begin(self, came: Came) -> None:
        self.send(Begun(number=came.number, format="JPEG", width=640, height=480))

    def answer(self, came: Came, body: bytes = b"{}") -> None:
        self.send(Answered(number=came.number), body)

    async def photo(self, *, begun: bool = True) -> Came:
        """The next photo, in work from now on."""
        came = await self.photos.get()
        if begun:
            self.begin(came)
            await settle()
        return came

    async def is_idle(self) -> bool:
        """Whether no photo comes."""
        await settle()
        return self.photos.empty()

    def _received(self, message: Message) -> None:
        match told := from_web(message.head):
            case Photo():
                assert message.memory is not None
                with message.memory as memory:
                    self.photos.put_nowait(Came(told, memory.read(0, memory.size)))
            case Cancel():
                self.cancelled.put_nowait(told.number)
            case StatusRequest():
                self.requests.put_nowait(told.number)


class Worker(Peer):
    """`service.supervision.WorkerProcess` with an end that the test decides."""

    def __init__(self, *, low_memory: bool = False, leaves: bool = True) -> None:
        """`leaves`: it ends by itself with its connection, as it should."""
        self.connection, others = ipc.pair()
        super().__init__(others)
        self.low_memory = low_memory
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
        """The end of the process, and so of its connection."""
        if not self._status.done():
            self._status.set_result(status)
        self.channel.close()
        self.closed.set()

    def open(self) -> None:
        self.send(NetworksLoaded())

    def warm(self) -> None:
        self.open()
        self.send(Ready())
