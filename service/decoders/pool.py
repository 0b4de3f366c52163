"""The pool of decoder children: uploads in, headers and pixels out, for one event loop.

A child answers one request at a time and is used again. It is replaced after a fault, after a request whose caller has
gone, and where it has grown. An image whose child fails gets one more try in a fresh one.
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
"""Bytes that a child may have more than a fresh one, beyond heap.KEPT. After 200 photos of all formats, up to 8.3
megapixels, one had 5 MiB more at most."""

TRIES = 2

Replied = tuple[messages.Reply, ipc.SealedMemory | None]


class DecoderPool:
    """At most `children` decoder children, forked on demand. Further requests wait in the order of their coming."""

    def __init__(self, server: ForkServer, children: int) -> None:
        self._server = server
        self._places = asyncio.Semaphore(children)
        self._idle: list[Child] = []
        self._ending: set[asyncio.Task[int | None]] = set()
        self.faults: Counter[str] = Counter()
        """How often children failed, by the name of the fault (faults.py)."""
        self.started = 0
        """Children until now."""
        self.restrictions: Restrictions | None = None
        """What restricts the last child that has replied; for `/info`."""

    async def header(self, upload: ipc.SealedMemory, size: int, maximum_area: int) -> Header:
        """The header of the image in the first `size` bytes of an upload, of at most `maximum_area` pixels.

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
        """The pixels of the image in the first `size` bytes of an upload, as `images.decoding.decode` gives them.

        (rows, columns, 3) RGB, C-contiguous and writable: a private mapping of what the child wrote. A copy would take
        1.7 ms more at 1.2 megapixels, and 7 at 8.3, where reading the mapping for the first time takes 0.3 and 2.
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
        return np.frombuffer(mapping, np.uint8).reshape(found.rows, found.columns, 3)

    async def close(self) -> None:
        """Ends all children. No request may be in work."""
        for child in self._idle:
            self._end(child)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    async def _answer(self, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
        """The result and its memory. Raises what `decode` raises."""
        async with self._places:
            for tries_left in reversed(range(TRIES)):
                try:
                    child = self._used_child() if tries_left else self._fresh_child()
                    reply, memory = await self._try(child, request, upload)
                except Fault as fault:
                    last = tries_left == 0 or not fault.is_retryable
                    self._note(fault, request, last)
                    if last:
                        raise fault.caller_error() from fault
                else:
                    if isinstance(reply.result, Exception):
                        raise reply.result
                    return reply, memory
        raise AssertionError("the last try returns or raises")

    async def _try(self, child: Child, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
        """One request to one child. Raises Fault, and the child is gone then."""
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
        """An idle child, the one that was used last, or a new one. Raises Fault."""
        while self._idle:
            child = self._idle.pop()
            if child.is_idle:
                return child
            self._end(child)
        return self._fresh_child()

    def _fresh_child(self) -> Child:
        """A new child, in the place of an idle one if there is any. Raises Fault."""
        if self._idle:
            self._end(self._idle.pop())
        try:
            child = self._server.fork()
        except (ServerGone, OSError) as error:
            raise Fault(faults.LOST) from error
        self.started += 1
        return child

    def _end(self, child: Child) -> asyncio.Task[int | None]:
        """Has a child ended and its status collected, whatever becomes of the caller."""
        ending: Coroutine[None, None, int | None] = self._server.end(child)
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _note(self, fault: Fault, request: messages.Request, last: bool) -> None:
        self.faults[fault.name] += 1
        found = request.header
        image = f"{found.format} of {found.width} x {found.height} pixels" if found else "header of an image"
        log.warning(
            "a decoder failed: %s. %s, %d bytes, %s",
            fault.name,
            image,
            request.size,
            "given up here" if last else "once more in a fresh one",
        )


async def _exchange(child: Child, request: messages.Request, upload: ipc.SealedMemory) -> Replied:
    """The checked reply of a child. Raises ConnectionError where it ends, Fault where the reply cannot be right."""
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
