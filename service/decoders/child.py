"""The loop of a decoder child: one request after the other, until the connection ends."""

import logging
import os
import resource
import signal
import socket
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import ipc
from service.decoders import limits, messages
from service.images import decoding, pillow
from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.memory import Header, needed

log = logging.getLogger(__name__)

FIRST_VICTIM = (Path("/proc/self/oom_score_adj"), "1000")
"""What to write where (proc(5)): where memory runs out, the kernel ends a child before any other process."""
NO_CORE = (1, 1)
"""RLIMIT_CORE: a core file would be a photo on a disk. With 1, as with 0, there is none, and Linux does not start the
program that collects cores either (core(5)), which 0 does not prevent."""


def prepare() -> limits.OwnMemory:
    """Settings of a new child: first victim of the kernel, no core file, default actions of signals that end it.

    Gives all that the child opens, so that a sandbox may follow.
    """
    file, score = FIRST_VICTIM
    try:
        file.write_text(score, encoding="ascii")
    except OSError as error:
        log.debug("%s: %s", file, error.strerror)
    resource.setrlimit(resource.RLIMIT_CORE, NO_CORE)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return limits.OwnMemory()


def serve(connection: socket.socket, memory: limits.OwnMemory) -> None:
    """Answers requests until the other side closes the connection."""
    fresh = memory.held()
    while True:
        packet, descriptors = ipc.receive(connection)
        if not packet:
            return
        upload = ipc.SealedMemory(*descriptors)
        with upload:
            result, pixels = answer(messages.request(packet), upload, memory)
        grown = max(memory.held() - fresh, 0)
        reply = messages.Reply(result, grown).packet()
        if pixels is None:
            ipc.send(connection, reply)
        else:
            with pixels:
                ipc.send(connection, reply, (pixels.descriptor,))


Result = Header | messages.Pixels | messages.Refusal | messages.OverLimit


def answer(
    request: messages.Request, upload: ipc.SealedMemory, memory: limits.OwnMemory
) -> tuple[Result, ipc.SealedMemory | None]:
    """The result and, of a decoded image, the memory with its pixels."""
    try:
        with limits.applied(memory, request.size, request.header):
            # A copy: the readers of `images` take bytes. 0.1 ms a megabyte.
            data = upload.read(0, request.size)
            if request.header is None:
                return decoding.checked_header(data, request.maximum_area), None
            # Most decoders report damage where an allocation fails. Nothing else takes memory in this process.
            pillow.have_room(needed(request.header))
            # The memory that other processes count for the image is that of its header.
            area = min(request.maximum_area, request.header.area)
            pixels = decoding.decode(data, maximum_area=area, honour_orientation=request.honour_orientation)
        return _sealed(pixels)
    except (UndecodableImage, ImageTooLarge) as error:
        return error.with_traceback(None), None
    except MemoryError as error:
        return _without_memory(request, error), None


def _sealed(pixels: NDArray[np.uint8]) -> tuple[Result, ipc.SealedMemory]:
    rows, columns, _ = pixels.shape
    try:
        return messages.Pixels(rows, columns), ipc.SealedMemory.of(pixels.data)
    except OSError as error:  # ENOSPC or ENOMEM: the system's memory is full
        raise MemoryError("no memory for the pixels") from error


def _without_memory(request: messages.Request, error: MemoryError) -> Result:
    """What a failed allocation means, the limits lifted: the system has no memory, or the image exceeds its limit."""
    try:
        pillow.have_room(limits.data_bytes(request.size, request.header))
    except MemoryError:
        return MemoryError(str(error) or "the system has no memory for the image")
    return messages.OverLimit()


def end(status: int) -> None:
    """Ends the child at once: nothing of the fork server's is flushed or removed twice."""
    os._exit(status)
