"""Signals while the service starts, as process 1 of a container too, where the kernel drops what has no handler."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.harness.processes import command_line, family
from benchmarks.harness.running import SERVE
from model_store.atomic import TEMPORARY_ENDING
from tests.calling import Caller
from tests.faults.conftest import PATIENCE, reduced_by

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PROMPT_SECONDS = 5.0
"""`docker stop` kills after ten; the longest wait measured is 0.8, with the server's own end."""
WHOLE_START = tuple(step / 2 for step in range(14))
"""Seconds; where loops are compiled, the service is ready after six."""
ZOMBIE = "Z"


@pytest.fixture(scope="module")
def namespace() -> tuple[str, ...]:
    """A command that runs another one as process 1."""
    return reduced_by(*NAMESPACE)


def state(process: int) -> str:
    """The letter of proc(5): Z for a process that has ended and whose status is not collected; none where there is no
    process."""
    try:
        status = Path("/proc", str(process), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return status.rpartition(") ")[2][0]


def is_there(process: int) -> bool:
    """Whether it runs."""
    return state(process) not in ("", ZOMBIE)


def eventually(what: str, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.002)


def handles(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal (proc(5), SigCgt)."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path("/proc", str(process), "status").read_text(), re.MULTILINE)
    assert caught is not None
    return bool(int(caught[1], 16) >> (number - 1) & 1)


def first_process(service: Service) -> int:
    """The service itself, once it handles signals, where `service.process` is the command that made its namespace."""
    eventually("a process in the namespace", lambda: service.family()[1:])
    process = service.family()[1]
    eventually("a handler for SIGTERM", lambda: handles(process, signal.SIGTERM))
    return process


def is_of_dlib(process: int) -> bool:
    """Whether multiprocessing has started a process; the one that only tracks resources does not count."""
    return any("multiprocessing.spawn" in word for word in command_line(process))


def end(service: Service, process: int, number: int) -> None:
    """Sends a signal, and expects the end of the whole process tree, with status 0 and not a word too much."""
    tree = family(process)
    before = time.monotonic()
    subprocess.run(["kill", f"-{number}", str(process)], check=True)
    assert service.wait() == 0, service.log
    assert time.monotonic() - before < PROMPT_SECONDS
    eventually("the end of every process", lambda: not any(map(is_there, tree)), PROMPT_SECONDS)
    assert "Traceback" not in service.log
    assert "Error" not in service.log


def test_signals_are_handled_before_anything_large_is_imported(
    start_service: StartService, namespace: tuple[str, ...]
) -> None:
    service = start_service(command=(*namespace, *SERVE))
    process = first_process(service)
    assert "pydantic_core" not in Path("/proc", str(process), "maps").read_text()
    end(service, process, signal.SIGTERM)


@pytest.mark.parametrize(
    ("moment", "number"),
    [(0.2, signal.SIGINT), (0.5, signal.SIGHUP), (0.8, signal.SIGTERM), (1.2, signal.SIGTERM)],
)
def test_a_signal_while_it_starts_ends_it(
    start_service: StartService, namespace: tuple[str, ...], moment: float, number: int
) -> None:
    service = start_service(command=(*namespace, *SERVE))
    process = first_process(service)
    time.sleep(moment)
    end(service, process, number)


def test_a_service_started_by_nohup_outlives_its_terminal(start_service: StartService) -> None:
    service = start_service(command=("sh", "-c", 'trap "" HUP; exec "$@"', "sh", *SERVE))
    service.wait_until_ready()
    service.process.send_signal(signal.SIGHUP)
    time.sleep(1)  # a service that stops has closed its socket by then
    assert Caller(service.port).get("/health").status == 200
    end(service, service.process.pid, signal.SIGTERM)


def test_processes_of_dlib_end_with_a_service_that_starts(start_service: StartService) -> None:
    service = start_service(FACE_MODEL="3", FACE_ENGINE="dlib")
    eventually("a process for dlib", lambda: any(map(is_of_dlib, service.family())))
    end(service, service.process.pid, signal.SIGTERM)


def test_processes_of_a_dead_worker_leave_no_zombie(
    start_service: StartService, namespace: tuple[str, ...], portrait: bytes
) -> None:
    """Process 1 becomes their parent: the fork server, a decoder, and with dlib its process."""
    service = start_service(command=(*namespace, *SERVE), FACE_MODEL="3", FACE_ENGINE="dlib")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    assert caller.post("/detect", caller.photo(portrait)).status == 200
    worker = service.worker_pid
    dying = family(worker)
    assert len(dying) >= 4
    os.kill(worker, signal.SIGKILL)
    eventually("the end of every process", lambda: not any(map(state, dying)), PROMPT_SECONDS)
    assert caller.post("/detect", caller.photo(portrait)).status == 200
    end(service, first_process(service), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnx", "dlib"])
@pytest.mark.parametrize("moment", WHOLE_START)
def test_a_signal_while_loops_are_compiled_ends_it(
    start_service: StartService, namespace: tuple[str, ...], tmp_path: Path, moment: float, engine: str
) -> None:
    service = start_service(
        command=(*namespace, *SERVE), NUMBA_CACHE_DIR=str(tmp_path), FACE_ENGINE=engine, FACE_MODEL="4"
    )
    process = first_process(service)
    time.sleep(moment)
    end(service, process, signal.SIGTERM)
    assert list(tmp_path.glob(f"**/.*{TEMPORARY_ENDING}")) == []


@pytest.mark.slow
def test_a_photo_that_waits_for_the_models_is_answered_before_the_end(
    start_service: StartService, tmp_path: Path, portrait: bytes
) -> None:
    service = start_service(NUMBA_CACHE_DIR=str(tmp_path), FACE_MODEL="4")
    service.wait_for_log("Application startup complete")
    caller = Caller(service.port, patience=PATIENCE)
    with ThreadPoolExecutor(1) as thread:
        reply = thread.submit(caller.post, "/detect", caller.photo(portrait))
        both = b"face_requests_in_flight 2.0"  # the photo, and the question
        eventually("a photo that waits", lambda: both in caller.get("/metrics").body)
        assert caller.get("/ready").status == 503
        assert service.stop() == 0, service.log
        assert reply.result().status == 200
    assert "Traceback" not in service.log
