"""The real service in processes of its own, and a caller that writes the bytes of the app's own client."""

from collections.abc import Iterator

import pytest

from benchmarks.harness.running import Service
from tests.calling import Caller
from tests.conftest import StartService
from tests.disk_writes import disk_writes


@pytest.fixture(scope="session")
def service(start_service: StartService) -> Iterator[Service]:
    """One service for all tests: model 4, and no byte for a disk from the warm-up to the end.

    No process of the service writes to a file of a disk, whatever the requests are; test_disk_writes.py shows that the
    count sees such a file. Temporary files on a tmpfs would not count: their folder does not exist.
    """
    running = start_service(TMPDIR="/nonexistent/temporary", FACE_LOG_LEVEL="debug")
    running.wait_until_ready()
    warm = disk_writes(running.process.pid)
    yield running
    assert disk_writes(running.process.pid) == warm
    assert running.stop() == 0


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port)
