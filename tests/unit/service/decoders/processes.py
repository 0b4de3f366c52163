"""Helpers: uploads to a pool, and its processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import ipc
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from service.images.memory import Header

AREA = 10_000_000
PLANTED = ("-m", "tests.unit.service.decoders.planted")
PATIENCE = 20.0
"""Seconds after which a process that does not end hangs."""


async def header(pool: DecoderPool, data: bytes, maximum_area: int = AREA) -> Header:
    """Parse a header in a child; the upload's memory holds more than the image."""
    with ipc.SealedMemory.of(data, b"a form's other parts") as upload:
        return await pool.header(upload, len(data), maximum_area)


async def decoded(pool: DecoderPool, data: bytes, maximum_area: int = AREA) -> NDArray[np.uint8]:
    """Decode pixels in a child."""
    with ipc.SealedMemory.of(data, b"a form's other parts") as upload:
        found = await pool.header(upload, len(data), maximum_area)
        return await pool.decode(upload, len(data), found, maximum_area=maximum_area, honour_orientation=True)


async def closed(pool: DecoderPool, server: ForkServer) -> None:
    """End a pool and its fork server."""
    await pool.close()
    server.close()


def process_id(server: ForkServer) -> int:
    """Process id of the fork server."""
    assert server._process is not None
    return server._process.pid


def children(server: ForkServer) -> list[int]:
    """Process ids of the decoder children, zombies included."""
    pid = process_id(server)
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descriptors(process: int | str = "self") -> int:
    """Number of open descriptors of a process."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def until(condition: Callable[[], bool]) -> None:
    """Poll a condition."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
