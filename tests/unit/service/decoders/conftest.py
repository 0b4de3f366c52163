"""Fork servers and pools of real processes, on one event loop for all tests of this folder."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from tests.unit.service.decoders.processes import PLANTED, closed
from tests.unit.service.images.conftest import encode, picture

__all__ = ["encode", "picture"]

CHILDREN = 2


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def _pool(runner: asyncio.Runner, server: ForkServer) -> Iterator[DecoderPool]:
    pool = DecoderPool(server, CHILDREN)
    yield pool
    runner.run(pool.close())


def _server(runner: asyncio.Runner, server: ForkServer) -> Iterator[ForkServer]:
    server.start()
    yield server
    runner.run(closed(DecoderPool(server, CHILDREN), server))


@pytest.fixture(scope="session")
def server(runner: asyncio.Runner) -> Iterator[ForkServer]:
    """The fork server of the service."""
    yield from _server(runner, ForkServer())


@pytest.fixture(scope="session")
def planted_server(runner: asyncio.Runner) -> Iterator[ForkServer]:
    """A fork server with planted faults (planted.py)."""
    yield from _server(runner, ForkServer(program=PLANTED))


@pytest.fixture
def own_server(runner: asyncio.Runner) -> Iterator[ForkServer]:
    """A `planted_server` for one test."""
    yield from _server(runner, ForkServer(program=PLANTED))


@pytest.fixture(scope="session")
def scarce_server(runner: asyncio.Runner) -> Iterator[ForkServer]:
    """A fork server whose children have little memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCARCE_MEMORY", "1")
        yield from _server(runner, ForkServer(program=PLANTED))


@pytest.fixture
def decoders(runner: asyncio.Runner, server: ForkServer) -> Iterator[DecoderPool]:
    yield from _pool(runner, server)


@pytest.fixture
def planted(runner: asyncio.Runner, planted_server: ForkServer) -> Iterator[DecoderPool]:
    yield from _pool(runner, planted_server)


@pytest.fixture
def own(runner: asyncio.Runner, own_server: ForkServer) -> Iterator[DecoderPool]:
    yield from _pool(runner, own_server)


@pytest.fixture
def scarce(runner: asyncio.Runner, scarce_server: ForkServer) -> Iterator[DecoderPool]:
    yield from _pool(runner, scarce_server)


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A file whose presence makes a planted decoder fail once."""
    path = tmp_path / "flag"
    path.touch()
    return path
