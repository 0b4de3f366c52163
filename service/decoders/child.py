"""Request loop of a decoder child: one request at a time, until the connection ends."""

import os
import signal
import socket

import numpy as np
from numpy.typing import NDArray

from service import ipc, sandbox
from service.decoders import limits, messages
from service.images import decoding, pillow
from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.memory import decoding_bytes
from service.memory import heap

IDLE_SECONDS = 2.0
"""Time without a request after which a child returns its free memory to the system."""


def prepare() -> limits.OwnMemory:
    """Set up a new child: no core file, and default actions of the signals that end it.

    Returns the holder of the only file that the child opens: the child can be sandboxed afterwards.
    """
    sandbox.forbid_core_files()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return limits.OwnMemory()


def serve(connection: socket.socket, memory: limits.OwnMemory) -> None:
    """Answer requests until the other side closes the connection."""
    fresh = memory.held()
    while True:
        packet, descriptors = _received(connection)
        if not packet:
            return
        upload = ipc.SealedMemory(*descriptors)
        with upload:
            result, pixels = answer(messages.request(packet), upload, memory)
        grown = max(memory.held() - fresh - heap.DECODER_KEEPS, 0)
        reply = messages.Reply(result, grown).packet()
        if pixels is None:
            ipc.send(connection, reply)
        else:
            with pixels:
                ipc.send(connection, reply, (pixels.descriptor,))


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a packet and its descriptors. After IDLE_SECONDS without one, free memory returns to the system."""
    connection.settimeout(IDLE_SECONDS)
    try:
        return ipc.receive(connection)
    except TimeoutError:
        heap.trim()
    finally:
        connection.settimeout(None)
    return ipc.receive(connection)


def answer(
    request: messages.Request, upload: ipc.SealedMemory, memory: limits.OwnMemory
) -> tuple[messages.Result, ipc.SealedMemory | None]:
    """Process a request, and return the result and, for a decoded image, the memory with its pixels."""
    try:
        with limits.applied(memory, request.size, request.header):
            # A copy: the readers of `images` take bytes. 0.1 ms a megabyte.
            data = upload.read(0, request.size)
            if request.header is None:
                return decoding.checked_header(data, request.maximum_area), None
            # Checked first: most decoders report a failed allocation as damage. Nothing else allocates in this process.
            pillow.check_allocation(decoding_bytes(request.header))
            # The worker's memory budget counts the area of the header, so the pixels must not exceed it.
            area = min(request.maximum_area, request.header.area)
            pixels = decoding.decode(data, maximum_area=area, honour_orientation=request.honour_orientation)
        return _sealed(pixels)
    except (UndecodableImage, ImageTooLarge) as error:
        return error.with_traceback(None), None
    except MemoryError as error:
        return _without_memory(request, error), None


def _sealed(pixels: NDArray[np.uint8]) -> tuple[messages.Result, ipc.SealedMemory]:
    rows, columns, _ = pixels.shape
    try:
        return messages.Pixels(rows, columns), ipc.SealedMemory.of(pixels.data)
    except OSError as error:  # ENOSPC or ENOMEM: the system's memory is full
        raise MemoryError("no memory for the pixels") from error


def _without_memory(request: messages.Request, error: MemoryError) -> messages.Result:
    """Cause of a failed allocation: the system has no memory, or the image exceeds its limit.

    Called after the limits are lifted.
    """
    try:
        pillow.check_allocation(limits.data_bytes(request.size, request.header))
    except MemoryError:
        return MemoryError(str(error) or "the system has no memory for the image")
    return messages.OverLimit()


def end(status: int) -> None:
    """Exit the child at once, so that buffers and files of the fork server are not flushed or removed a second time."""
    os._exit(status)
