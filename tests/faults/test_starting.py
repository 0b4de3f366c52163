"""Signals during the start, also as process 1 of a container, where the kernel drops signals without a handler."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.processes.process_tree import command_line, family
from benchmarks.processes.running import SERVE
from model_store.atomic import TEMPORARY_ENDING
from service.recognition.engines import dlib
from service.recognition.ort import installed
from tests.calling import Caller
from tests.processes import handles_signal, is_running, restricted_by, state
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PROMPT_SECONDS = 5.0
"""`docker stop` kills after ten seconds; the longest end measured took 0.8 s."""
WHOLE_START = tuple(step / 2 for step in range(14))
"""Seconds after the start; with loops to compile, the service is ready after six."""


@pytest.fixture(scope="module")
def namespace() -> tuple[str, ...]:
    """A command that runs another one as process 1."""
    return restricted_by(*NAMESPACE)


def first_process(service: Service) -> int:
    """The service's process in its namespace, once it handles SIGTERM; `service.process` is unshare(1)."""
    eventually("a process in the namespace", lambda: service.family()[1:])
    process = service.family()[1]
    eventually("a handler for SIGTERM", lambda: handles_signal(process, signal.SIGTERM))
    return process


def is_of_dlib(process: int) -> bool:
    """True if the process is one of dlib's."""
    return dlib.PROGRAM in command_line(process)


def end(service: Service, process: int, number: int) -> None:
    """Sends a signal, and asserts that the whole process tree ends, with status 0 and no error in the log."""
    tree = family(process)
    before = time.monotonic()
    subprocess.run(["kill", f"-{number}", str(process)], check=True)
    assert service.wait() == 0, service.log
    assert time.monotonic() - before < PROMPT_SECONDS
    eventually("the end of every process", lambda: not any(map(is_running, tree)), PROMPT_SECONDS)
    assert "Traceback" not in service.log
    assert "Error" not in service.log


def test_handles_signals_before_large_imports(
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
def test_ends_on_a_signal_during_the_start(
    start_service: StartService, namespace: tuple[str, ...], moment: float, number: int
) -> None:
    service = start_service(command=(*namespace, *SERVE))
    process = first_process(service)
    time.sleep(moment)
    end(service, process, number)


def test_ignores_sighup_when_started_by_nohup(start_service: StartService) -> None:
    service = start_service(command=("sh", "-c", 'trap "" HUP; exec "$@"', "sh", *SERVE))
    service.wait_until_ready()
    service.process.send_signal(signal.SIGHUP)
    time.sleep(1)  # a stopping service has closed its socket by then
    assert Caller(service.port).get("/health").status == 200
    end(service, service.process.pid, signal.SIGTERM)


@pytest.mark.skipif(installed.has_wheel("cuda"), reason="this wheel uses the GPU")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="no wheel for CUDA")
def test_names_a_gpu_that_the_wheel_does_not_use(start_service: StartService) -> None:
    """With a file of NVIDIA's driver in a mount namespace."""
    driver = (
        "mount -t tmpfs tmpfs /proc/driver && mkdir /proc/driver/nvidia && touch /proc/driver/nvidia/version"
    )
    planted = restricted_by("unshare", "--mount", "sh", "-c", f'{driver} && exec "$@"', "sh")
    service = start_service(command=(*planted, *SERVE), FACE_MODEL="3")
    service.wait_for_log(
        "the CPU computes, although this machine has an NVIDIA driver: `ACCELERATOR=cuda make serve`"
    )
    assert service.stop() == 0


def test_logs_the_stages_of_a_start(start_service: StartService) -> None:
    service = start_service(FACE_MODEL="3", GUNICORN_WORKERS="2", FACE_MEMORY="2GiB", FACE_PROVIDERS="cpu")
    service.wait_until_ready()
    assert (
        " at most 2 photos in work (GUNICORN_WORKERS), in 2,048 MiB of memory (FACE_MEMORY)\n" in service.log
    )
    stages = ("listening on", "loading the networks", "warming up: one run of every stage", "ready: ")
    places = [service.log.index(stage) for stage in stages]
    assert places == sorted(places)
    service.wait_for_log("docs/README.md")
    # The answers of `/ready` are logged in between.
    last = [line for line in service.log.splitlines() if "access_log" not in line][-1]
    ready = re.search(
        r"ready: (http://\S+:\d+)/(?: \(inside of the container's network\))? · model 3 · "
        r"HOG \(compiled\), descriptors \(float32\) on CPU: \d+ cores?[^·]* · "
        r"2 photos at a time in 2\.0 GiB · docs/README\.md$",
        last,
    )
    assert ready is not None, last
    assert httpx.get(f"{ready[1]}/health").text == "ok"
    os.kill(service.worker_pid, signal.SIGKILL)
    service.wait_for_log(
        "ready again, with a new worker process (SIGKILL) · HOG (compiled), descriptors (float32) on "
    )


def test_ends_dlib_processes_on_a_signal_during_the_start(start_service: StartService) -> None:
    service = start_service(FACE_MODEL="3", FACE_ENGINE="dlib")
    eventually("a process for dlib", lambda: any(map(is_of_dlib, service.family())))
    end(service, service.process.pid, signal.SIGTERM)


def test_children_of_a_dead_worker_leave_no_zombie(
    start_service: StartService, namespace: tuple[str, ...], portrait: bytes
) -> None:
    """Process 1 becomes the parent of the fork server, a decoder, and the process of dlib."""
    service = start_service(command=(*namespace, *SERVE), FACE_MODEL="3", FACE_ENGINE="dlib")
    service.wait_until_ready()
    caller = Caller(service.port)
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
def test_ends_on_a_signal_while_loops_are_compiled(
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
def test_answers_a_photo_that_waits_for_the_models_before_it_ends(
    start_service: StartService, tmp_path: Path, portrait: bytes
) -> None:
    service = start_service(NUMBA_CACHE_DIR=str(tmp_path), FACE_MODEL="4")
    service.wait_for_log("Application startup complete")
    caller = Caller(service.port)
    with ThreadPoolExecutor(1) as thread:
        reply = thread.submit(caller.post, "/detect", caller.photo(portrait))
        # Two: the photo, and the request for the metrics.
        eventually("a waiting photo", lambda: caller.metric("face_requests_in_flight") == 2)
        assert caller.get("/ready").status == 503
        assert service.stop() == 0, service.log
        assert reply.result().status == 200
    assert "Traceback" not in service.log
