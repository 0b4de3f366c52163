import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.harness import running

_PARENT = """
import subprocess, sys
code = "import sys; print(1, file=sys.stderr, flush=True); sys.stdin.read()"
words = sys.argv[1].split()
subprocess.Popen([sys.executable, "-c", code, *words], stdin=subprocess.PIPE).wait()
"""
"""A process with a child that has the first argument's words in its command line, and that ends with the process."""


@pytest.mark.slow
def test_a_service_can_be_asked_thousands_of_times(store: Path) -> None:
    """Its log has to go somewhere: a pipe that nobody reads is full after some 750 requests."""
    with running.serving({"FACE_STORE": str(store), "FACE_MODEL": "3"}) as (_, client):
        assert {client.get("/health").status_code for _ in range(2000)} == {200}


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
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
def test_a_worker_is_found_by_its_command_line() -> None:
    with _started("-m service.worker 5") as service:
        first, child = service.family()
        assert first == service.process.pid
        assert service.worker_pid == child


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_service_without_a_worker_is_its_own() -> None:
    with _started("-m service.workers 5") as service:
        assert service.worker_pid == service.process.pid
