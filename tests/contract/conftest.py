"""The service in its own processes, and a client that sends the same bytes as the app."""

from collections.abc import Iterator

import pytest

from benchmarks.processes.running import Service
from tests.calling import Caller
from tests.disk_writes import disk_writes
from tests.servers import Server
from tests.services import StartService


@pytest.fixture(scope="session")
def service(start_service: StartService, server: Server) -> Iterator[Service]:
    """One service of model 4 for all tests, which writes nothing to a disk from the warm-up to the end.

    test_disk_writes.py validates the count of writes. TMPDIR does not exist, since files on a tmpfs would not count.
    """
    running = start_service(TMPDIR="/nonexistent/temporary", FACE_LOG_LEVEL="debug")
    running.wait_until_ready()
    for path in ("/", "/openapi.json", "/docs"):
        # Python stores the bytecode of a module that has changed, and these modules are loaded at the first request.
        assert Caller(running.port).get(path).status == 200
    warm = disk_writes(running.process.pid)
    yield running
    assert disk_writes(running.process.pid) == warm
    assert running.stop() == server.stopped


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port)
