"""Starts, stops and replacements of the worker process in a running service."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.running import SERVE
from service.supervision.dispatch import WINDOW
from service.supervision.supervisor import FIRST_PAUSE, MAXIMUM_FAILED_STARTS
from tests.calling import Caller
from tests.faults.planted_worker import KILLED
from tests.processes import is_running, open_files, worker_of
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

PAUSES = FIRST_PAUSE * (2 ** (MAXIMUM_FAILED_STARTS - 1) - 1)
"""Seconds of back-off between the starts until the service gives up."""
START_SECONDS = 15.0
"""Upper bound for one failing start on a loaded machine."""
PROMPT = 1.5
"""Upper bound in seconds for an answer of the web process; `/metrics` waits up to one for the worker's part."""


@pytest.fixture
def service(small_service: Service) -> Service:
    return small_service


def is_another(service: Service, worker: int) -> bool:
    return worker_of(service) != worker


def wait_until_it_listens(caller: Caller) -> None:
    def listens() -> bool:
        try:
            return caller.get("/health").status == 200
        except ConnectionError:
            return False

    eventually("the service listens", listens)


def prompt_status(caller: Caller, path: str) -> int:
    """Status of a GET, which has to arrive within PROMPT seconds."""
    before = time.monotonic()
    status = caller.get(path).status
    assert time.monotonic() - before < PROMPT, path
    return status


def post(caller: Caller, photo: bytes) -> int:
    return caller.post("/detect", caller.photo(photo)).status


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Stops a process (SIGSTOP) until the block ends."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        if is_running(process):
            os.kill(process, signal.SIGCONT)


def test_ends_if_the_worker_dies_at_every_start(start_service: StartService, portrait: bytes) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", "start"), FACE_MODEL="3"
    )
    caller = Caller(service.port)
    wait_until_it_listens(caller)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        photo = threads.submit(post, caller, portrait)
        area = threads.submit(lambda: caller.get("/open").status)
        assert prompt_status(caller, "/health") == 200
        assert prompt_status(caller, "/ready") == 503
        assert prompt_status(caller, "/metrics") == 200
        assert photo.result(PATIENCE) == 503
        assert area.result(PATIENCE) == 503
    assert service.wait() == 1
    seconds = time.monotonic() - started
    assert PAUSES / 2 < seconds < PAUSES + MAXIMUM_FAILED_STARTS * START_SECONDS
    assert service.log.count("another one is started") == MAXIMUM_FAILED_STARTS - 1
    reason = service.log.splitlines()[-1]
    assert reason.startswith(f"the worker process died at {MAXIMUM_FAILED_STARTS} starts in a row (SIGSEGV)")
    assert "Traceback" not in service.log


def test_restarts_a_worker_that_is_killed_during_its_start(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", KILLED), FACE_MODEL="3"
    )
    caller = Caller(service.port)
    wait_until_it_listens(caller)
    with ThreadPoolExecutor(8) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(8)]
        killed = 0
        for moment in (0.0, 0.3, 0.8, 1.2):  # before, between and after its imports
            eventually("another worker", partial(is_another, service, killed))
            worker = worker_of(service)
            time.sleep(moment)
            if caller.get("/ready").status != 200:  # a kill after the start is no failed start
                os.kill(worker, signal.SIGKILL)
                killed = worker
            assert prompt_status(caller, "/health") == 200
        assert killed
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 8
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_the_web_process_answers_while_the_worker_is_stopped(
    service: Service, caller: Caller, portrait: bytes
) -> None:
    assert post(caller, portrait) == 200
    assert caller.metric("face_faces_total") == 1
    worker = worker_of(service)
    with stopped(worker), ThreadPoolExecutor(4) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(4)]
        for _ in range(3):
            for path in ("/health", "/open", "/metrics", "/welcome", "/info"):
                assert prompt_status(caller, path) == 200, path
        # The worker does not answer: its last status is reported.
        assert caller.metric("face_faces_total") == 1
        assert not any(photo.done() for photo in photos)
        os.kill(worker, signal.SIGCONT)
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 4
    assert worker_of(service) == worker
    assert service.stop() == 0


def test_ends_although_the_worker_is_stopped(service: Service) -> None:
    worker = worker_of(service)
    before = time.monotonic()
    with stopped(worker):
        assert service.stop() == 0
    assert time.monotonic() - before < 20
    eventually("the end of the worker", lambda: not is_running(worker))


def test_answers_photos_that_wait_for_the_next_worker_before_it_ends(
    service: Service, caller: Caller, portrait: bytes
) -> None:
    worker = worker_of(service)
    # Stopped, so that all photos are sent and none is answered.
    with stopped(worker), ThreadPoolExecutor(6) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(6)]
        # Seven: the photos, and the request for the metrics.
        eventually("six photos in flight", lambda: caller.metric("face_requests_in_flight") == 7)
        os.kill(worker, signal.SIGKILL)
        service.wait_for_log("another one is started")
        assert service.stop() == 0
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 6
    assert "Traceback" not in service.log


@pytest.mark.slow
def test_abandoned_requests_leak_nothing(service: Service, caller: Caller, portrait: bytes) -> None:
    alone = caller.post("/detect", caller.photo(portrait)).body
    web, worker = service.process.pid, worker_of(service)
    before = [open_files(process) for process in (web, worker)]
    head, body = caller.form("/detect", caller.photo(portrait))
    moments = random.Random(4)
    for _ in range(3 * WINDOW):
        with caller.connect() as connection:
            connection.sendall(head + body)
            time.sleep(moments.choice((0, 0.01, 0.03, 0.1)))
    eventually("no photo in flight", lambda: caller.metric("face_requests_in_flight") == 1)
    for _ in range(3):
        assert caller.post("/detect", caller.photo(portrait)).body == alone
    eventually(
        "no more descriptors than before, except those of one connection and of decoders",
        lambda: all(
            open_files(process) <= count + 4 for process, count in zip((web, worker), before, strict=True)
        ),
    )
    assert worker_of(service) == worker
    assert caller.metric("face_worker_restarts_total") == 0
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert "ERROR" not in service.log


def test_no_process_outlives_the_web_process(service: Service, caller: Caller, portrait: bytes) -> None:
    assert post(caller, portrait) == 200
    family = service.family()
    assert len(family) >= 4  # web, worker, fork server, decoder
    service.process.kill()
    service.wait()
    eventually("the end of every process", lambda: not any(map(is_running, family)), 5.0)


def test_keeps_the_key_and_the_file_name_out_of_other_processes(
    start_service: StartService, portrait: bytes
) -> None:
    key, name = "a key that nothing else holds", b"a-very-private-name.jpg"
    service = start_service(
        command=SERVE, FACE_MODEL="3", API_KEY=key, FACE_LOG_LEVEL="debug", API_KEY_FILE="/nonexistent"
    )
    service.wait_until_ready()
    caller = Caller(service.port, key_header=b"x-api-key: " + key.encode())
    assert caller.post("/detect", caller.photo(portrait, name)).status == 200
    assert caller.post("/detect", caller.photo(b"no photo", name)).status == 415
    web, *others = service.family()
    assert len(others) >= 3
    for process in others:
        for file in ("environ", "cmdline"):
            content = Path("/proc", str(process), file).read_bytes()
            assert key.encode() not in content
            assert b"API_KEY=" not in content
    assert key.encode() in Path("/proc", str(web), "environ").read_bytes()
    assert service.stop() == 0
    assert key not in service.log
    assert name.decode() not in service.log


def test_no_process_writes_a_core_file(service: Service) -> None:
    for process in service.family():
        lines = Path("/proc", str(process), "limits").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["1", "1"]
    assert service.stop() == 0
