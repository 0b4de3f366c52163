"""Starts, stops and replacements of the worker in a running service."""

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

from benchmarks.harness.running import SERVE
from service.supervision.dispatch import WINDOW
from service.supervision.supervisor import FIRST_PAUSE, MAXIMUM_FAILED_STARTS
from tests.calling import Caller
from tests.faults.conftest import PATIENCE
from tests.faults.test_dying_worker import descriptors, is_ready, worker_of
from tests.faults.test_starting import eventually, is_there

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

PAUSES = FIRST_PAUSE * (2 ** (MAXIMUM_FAILED_STARTS - 1) - 1)
"""Seconds between the starts until the service gives up."""
START_SECONDS = 15.0
"""For one start that fails, on a machine that other tests use too."""
PROMPT = 1.5
"""Seconds for an answer of the web process alone; `/metrics` waits one for the worker's part."""


def is_another(service: Service, worker: int) -> bool:
    return worker_of(service) != worker


def wait_until_it_listens(caller: Caller) -> None:
    def listens() -> bool:
        try:
            return caller.get("/health").status == 200
        except ConnectionError:
            return False

    eventually("the service listens", listens)


def prompt(caller: Caller, path: str) -> int:
    before = time.monotonic()
    status = caller.get(path).status
    assert time.monotonic() - before < PROMPT, path
    return status


def post(caller: Caller, photo: bytes) -> int:
    return caller.post("/detect", caller.photo(photo)).status


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A process that does nothing until the block ends, or it is continued."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        if is_there(process):
            os.kill(process, signal.SIGCONT)


def test_a_worker_that_dies_at_every_start_ends_the_service(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", "start"), FACE_MODEL="3"
    )
    caller = Caller(service.port, patience=PATIENCE)
    wait_until_it_listens(caller)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        photo = threads.submit(post, caller, portrait)
        opened = threads.submit(lambda: caller.get("/open").status)
        assert prompt(caller, "/health") == 200
        assert prompt(caller, "/ready") == 503
        assert prompt(caller, "/metrics") == 200
        assert photo.result(PATIENCE) == 503
        assert opened.result(PATIENCE) == 503
    assert service.wait() == 1
    seconds = time.monotonic() - started
    assert PAUSES / 2 < seconds < PAUSES + MAXIMUM_FAILED_STARTS * START_SECONDS
    assert service.log.count("another one is started") == MAXIMUM_FAILED_STARTS - 1
    reason = service.log.splitlines()[-1]
    assert reason.startswith(f"the worker process died at {MAXIMUM_FAILED_STARTS} starts in a row (SIGSEGV)")
    assert "Traceback" not in service.log


def test_a_worker_killed_while_it_starts_is_started_again(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(FACE_MODEL="3")
    caller = Caller(service.port, patience=PATIENCE)
    wait_until_it_listens(caller)
    with ThreadPoolExecutor(8) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(8)]
        killed = 0
        for moment in (0.0, 0.3, 0.8, 1.2):  # before, between and after its imports
            eventually("the worker or the next one", partial(is_another, service, killed))
            worker = worker_of(service)
            time.sleep(moment)
            if not is_ready(caller):  # else it is no failed start, and the next ones are
                os.kill(worker, signal.SIGKILL)
                killed = worker
            assert prompt(caller, "/health") == 200
        assert killed
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 8
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_a_stopped_worker_stops_no_one_else(start_service: StartService, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    assert post(caller, portrait) == 200
    assert b"face_faces_total 1.0" in caller.get("/metrics").body
    worker = worker_of(service)
    with stopped(worker), ThreadPoolExecutor(4) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(4)]
        for _ in range(3):
            for path in ("/health", "/open", "/metrics", "/welcome", "/info"):
                assert prompt(caller, path) == 200, path
        # The worker's last status stands in for the one that it does not give.
        assert b"face_faces_total 1.0" in caller.get("/metrics").body
        assert not any(photo.done() for photo in photos)
        os.kill(worker, signal.SIGCONT)
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 4
    assert worker_of(service) == worker
    assert service.stop() == 0


def test_a_service_that_stops_beside_a_stopped_worker_ends(start_service: StartService) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    worker = worker_of(service)
    before = time.monotonic()
    with stopped(worker):
        assert service.stop() == 0
    assert time.monotonic() - before < 20
    eventually("the end of the worker", lambda: not is_there(worker))


def test_photos_that_wait_for_another_worker_are_answered_before_the_end(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    worker = worker_of(service)
    # Stopped, so that all are sent, and none is answered.
    with stopped(worker), ThreadPoolExecutor(6) as threads:
        photos = [threads.submit(post, caller, portrait) for _ in range(6)]
        eventually(
            "six photos and the question",
            lambda: b"face_requests_in_flight 7.0" in caller.get("/metrics").body,
        )
        os.kill(worker, signal.SIGKILL)
        service.wait_for_log("another one is started")
        assert service.stop() == 0
        assert [photo.result(PATIENCE) for photo in photos] == [200] * 6
    assert "Traceback" not in service.log


@pytest.mark.slow
def test_callers_that_hang_up_cost_the_worker_nothing(start_service: StartService, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    alone = caller.post("/detect", caller.photo(portrait)).body
    web, worker = service.process.pid, worker_of(service)
    before = [descriptors(process) for process in (web, worker)]
    head, body = caller.form("/detect", caller.photo(portrait))
    moments = random.Random(4)
    for _ in range(3 * WINDOW):
        with caller.connect() as line:
            line.sendall(head + body)
            time.sleep(moments.choice((0, 0.01, 0.03, 0.1)))
    eventually("no photo", lambda: b"face_requests_in_flight 1.0" in caller.get("/metrics").body)
    for _ in range(3):
        assert caller.post("/detect", caller.photo(portrait)).body == alone
    eventually(
        "no descriptor more than before, but those of one connection and of decoders",
        lambda: all(
            descriptors(process) <= few + 4 for process, few in zip((web, worker), before, strict=True)
        ),
    )
    assert worker_of(service) == worker
    assert b"face_worker_restarts_total{" not in caller.get("/metrics").body
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert "ERROR" not in service.log


def test_nothing_outlives_the_web_process(start_service: StartService, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    assert post(Caller(service.port, patience=PATIENCE), portrait) == 200
    family = service.family()
    assert len(family) >= 4  # web, worker, fork server, decoder
    service.process.kill()
    service.wait()
    eventually("the end of every process", lambda: not any(map(is_there, family)), 5.0)


def test_the_key_and_the_photo_stay_out_of_the_worker(start_service: StartService, portrait: bytes) -> None:
    key, name = "a key that nothing else holds", b"a-very-private-name.jpg"
    service = start_service(
        command=SERVE, FACE_MODEL="3", API_KEY=key, FACE_LOG_LEVEL="debug", API_KEY_FILE="/nonexistent"
    )
    service.wait_until_ready()
    caller = Caller(service.port, key_header=b"x-api-key: " + key.encode(), patience=PATIENCE)
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


def test_no_process_writes_a_core_file(start_service: StartService) -> None:
    service = start_service(FACE_MODEL="3")
    service.wait_until_ready()
    for process in service.family():
        lines = Path("/proc", str(process), "limits").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["1", "1"]
    assert service.stop() == 0
