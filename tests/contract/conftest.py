"""The real service in a process of its own, and a caller that writes the bytes of the app's own client."""

import resource
from collections.abc import Iterator

import pytest

from benchmarks.running import Service
from tests.calling import Caller
from tests.conftest import StartService


@pytest.fixture(scope="session")
def service(start_service: StartService) -> Iterator[Service]:
    """One service for all tests: model 4, and no way to write to a disk."""
    running = start_service(TMPDIR="/nonexistent/temporary", FACE_LOG_LEVEL="debug")
    running.wait_until_ready()
    # From now on no write of this process to any file succeeds, whoever runs it and wherever the file is.
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    yield running
    assert running.stop() == 0


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port)
