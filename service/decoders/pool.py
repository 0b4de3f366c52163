"""Pool of decoder children: uploads in, headers and pixels out, for one event loop.

A child answers one request at a time and is reused. It is replaced after a fault, after a cancelled request, and after
its memory has grown. An image whose child fails is retried once, in a fresh child.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine

import numpy as np
from numpy.typing import NDArray

from service import ipc
from service.decoders import faults, limits, messages
from service.decoders.faults import DecodersUnavailable, Fault
from service.decoders.handle import Child, ForkServer, ServerGone
from service.images.memory import Header
from service.sandbox import Restrictions

__all__ = ["DecoderPool", "DecodersUnavailable"]

log = logging.getLogger(__name__)

GROWTH = 16 << 20
"""Allowed memory growth of a child in bytes, beyond heap.DECODER_KEEPS; a child that exceeds it is replaced. 200 photos
of all formats, up to 8.3 megapixels, caused at most 5 MiB."""

TRIES = 2
"""Number of children that try an image before it is refused."""

Replied = tuple[messages.Reply, ipc.SealedMemory | None]


class DecoderPool:
    """At most `children` decoder children, forked on demand. Further requests wait in order of arrival."""

    def __init__(self, server: ForkServer, children: int) -> None:
        self._server = server
        self._places = asyncio.Semaphore(children)
        self._idle: list[Child] = []
        self._ending: set[asyncio.Task[int | None]] = set()
        self.faults: Counter[str] = Counter()
        """Number of faults by name (faults.py)."""
        self.started = 0
        """Number of children forked so far."""
        self.restrictions: Restrictions | None = None
        """Sandbox of the child that replied last; for `/info`."""

    async def header(self, upload: ipc.SealedMemory, size: int, maximum_area: int) -> Header:
        """Parse the header of the image in the first `size` bytes of an upload, of at most `maximum_area` pixels.

        Raises UndecodableImage, ImageTooLarge, MemoryError or DecodersUnavailable.
        """
        reply, _ = await self._answer(messages.Request(size, maximum_area), upload)
        assert isinstance(reply.result, Header)
        return reply.result

    async def decode(
        self,
        upload: ipc.SealedMemory,
        size: int,
        header: Header,
        *,
        maximum_area: int,
        honour_orientation: bool,
    ) -> NDArray[np.uint8]:
        """Decode the image in the first `size` bytes of an upload, as `images.decoding.decode` does.

        Returns (rows, columns, 3) uint8, RGB, C-contiguous and writable: a private mapping of the child's memory file.
        A copy would take 1.7 ms more at 1.2 megapixels, and 7 ms at 8.3. The first access to the mapping takes 0.3 and
        2 ms.
        Raises UndecodableImage, ImageTooLarge, MemoryError or DecodersUnavailable.
        """
        request = messages.Request(size, maximum_area, header, honour_orientation)
        reply, memory = await self._answer(request, upload)
        found = reply.result
        assert isinstance(found, messages.Pixels)
        assert memory is not None
        with memory:
            try:
                mapping = memory.mapped()
            except OSError as error:
                raise MemoryError("no addresses for the pixels") from error
        return np.frombuffer(mapping, np.uint8).reshape(found.rows, found.columns, messages.CHANNELS)

    async def close(self) -> None:
        """End all children. No request may be in progress."""
        for child in self._idle:
            self._end(child)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    async def _answer(self, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
        """The reply and its memory. Raises the exceptions of `decode`."""
        async with self._places:
            for tries_left in reversed(range(TRIES)):
                try:
                    child = self._used_child() if tries_left else self._fresh_child()
                    reply, memory = await self._try(child, request, upload)
                except Fault as fault:
                    last = tries_left == 0 or not fault.is_retryable
                    self._record(fault, request, last)
                    if last:
                        raise fault.caller_error() from fault
                else:
                    if isinstance(reply.result, Exception):
                        raise reply.result
                    return reply, memory
        raise AssertionError("the last try returns or raises")

    async def _try(self, child: Child, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
        """Send one request to one child. On an exception, Fault among them, the child is ended."""
        try:
            async with asyncio.timeout(
                limits.WALL_SECONDS_PER_CPU_SECOND * limits.cpu_seconds(request.size, request.header)
            ):
                reply, memory = await _exchange(child, request, upload)
        except BaseException as error:
            ended = self._end(child)
            if isinstance(error, TimeoutError):
                raise Fault(faults.NO_REPLY) from error
            if isinstance(error, OSError):
                raise faults.from_wait_status(await asyncio.shield(ended)) from error
            raise
        self.restrictions = child.restrictions
        over_limit = isinstance(reply.result, messages.OverLimit)
        if over_limit or reply.grown > GROWTH:
            self._end(child)
        else:
            self._idle.append(child)
        if over_limit:
            raise Fault(faults.MEMORY)
        return reply, memory

    def _used_child(self) -> Child:
        """The idle child that was used most recently, or a new child. Raises Fault."""
        while self._idle:
            child = self._idle.pop()
            if child.is_idle:
                return child
            self._end(child)
        return self._fresh_child()

    def _fresh_child(self) -> Child:
        """A new child; an idle child is ended for it. Raises Fault."""
        if self._idle:
            self._end(self._idle.pop())
        try:
            child = self._server.fork()
        except (ServerGone, OSError) as error:
            raise Fault(faults.LOST) from error
        self.started += 1
        return child

    def _end(self, child: Child) -> asyncio.Task[int | None]:
        """End a child and collect its status in a task, which a cancellation of the caller does not stop."""
        ending: Coroutine[None, None, int | None] = self._server.end(child)
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _record(self, fault: Fault, request: messages.Request, last: bool) -> None:
        self.faults[fault.name] += 1
        found = request.header
        image = f"{found.format} of {found.width} x {found.height} pixels" if found else "header of an image"
        log.warning(
            "a decoder failed: %s. %s, %d bytes, %s",
            fault.name,
            image,
            request.size,
            "not retried" if last else "retried in a fresh one",
        )


async def _exchange(child: Child, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
    """The validated reply of a child. Raises ConnectionError if the child exits, Fault for an invalid reply."""
    try:
        packet, descriptors = await child.exchange(request.packet(), upload)
        if not packet:
            raise ConnectionResetError("the child has ended")
        memory = ipc.SealedMemory(*descriptors) if descriptors else None
    except (ipc.MalformedPacket, ipc.UnsealedMemory, messages.MalformedMessage) as error:
        raise Fault(faults.MALFORMED) from error
    try:
        return messages.reply(packet, request, memory.size if memory is not None else 0), memory
    except messages.MalformedMessage as error:
        if memory is not None:
            memory.close()
        raise Fault(faults.MALFORMED) from error
