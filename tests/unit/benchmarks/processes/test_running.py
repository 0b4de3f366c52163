import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.processes import running

pytestmark = pytest.mark.not_quick  # each test starts a process

_PARENT = """
import subprocess, sys
code = "import sys; print(1, file=sys.stderr, flush=True); sys.stdin.read()"
words = sys.argv[1].split()
subprocess.Popen([sys.executable, "-c", code, *words], stdin=subprocess.PIPE).wait()
"""
"""Process with a child whose command line has the words of the first argument, and which ends with the process."""


@pytest.mark.slow
def test_a_service_answers_thousands_of_requests(store: Path) -> None:
    """Its log must be read: an unread pipe is full after about 750 requests."""
    with running.serving({"FACE_STORE": str(store), "FACE_MODEL": "3"}) as (_, client):
        assert {client.get("/health").status_code for _ in range(2000)} == {200}


def test_reports_why_a_service_cannot_start(tmp_path: Path) -> None:
    with (
        pytest.raises(running.ServiceDied, match="python -m model_store fetch"),
        running.serving({"FACE_STORE": str(tmp_path)}),
    ):
        pass


@contextmanager
def _started(words: str) -> Iterator[running.Service]:
    service = running.Service(dict(os.environ), (sys.executable, "-c", _PARENT, words))
    try:
        service.wait_for_log("1")
        yield service
    finally:
        service.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_finds_the_worker_by_its_command_line() -> None:
    with _started("-m service.worker 5") as service:
        first, child = service.family()
        assert first == service.process.pid
        assert service.worker_pid == child


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_a_worker_the_service_itself_is_returned() -> None:
    with _started("-m service.workers 5") as service:
        assert service.worker_pid == service.process.pid
