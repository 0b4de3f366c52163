"""Inference that fails at every n-th run, and a scan that is wrong: every photo still gets the right answer."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.answers import assert_same_answer
from tests.calling import Caller
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

CALLERS = 16


# A photo takes two runs for the detector's halves, and one more if it has faces. With 7 the second try of a photo
# mostly succeeds. With 2 none succeeds without the fallback to dlib.
@pytest.mark.slow
@pytest.mark.parametrize("every", [7, 2])
def test_answers_every_photo_although_runs_fail(
    service: Service, caller: Caller, start_service: StartService, small_photos: list[bytes], every: int
) -> None:
    expected = [caller.post("/detect", caller.photo(photo)).json for photo in small_photos]
    assert service.stop() == 0
    failing = start_service(
        command=(sys.executable, "-m", "tests.faults.failing_engine", str(every)),
        FACE_MODEL="4",
        FACE_PRECISION="float32",  # a scan that fails once is not used again
    )
    failing.wait_until_ready()
    caller = Caller(failing.port)
    photos = small_photos * 4
    with ThreadPoolExecutor(CALLERS) as pool:
        replies = list(pool.map(lambda photo: caller.post("/detect", caller.photo(photo)), photos))
    for number, reply in enumerate(replies):
        assert reply.status == 200, failing.log
        assert_same_answer(reply.json, expected[number % len(expected)])
    # Eight failed photos in a row replace the worker, and its counters start at 0.
    restarts = caller.metric("face_worker_restarts_total")
    assert restarts > 0 or (every != 2 and caller.metric("face_retried_total") > 0), failing.log
    # The last photos may have replaced the worker again.
    eventually("a ready worker", lambda: caller.get("/ready").status == 200, 30)
    assert failing.stop() == 0
    assert "Traceback" not in failing.log


def test_a_scan_that_differs_is_off_in_all_later_workers(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", "scan"),
        FACE_MODEL="1",
        FACE_PROVIDERS="cpu",
        FACE_PRECISION="mixed",
        FACE_SCAN_CHECK="1",
    )
    service.wait_until_ready()
    caller = Caller(service.port)

    def state() -> tuple[bool, float, str]:
        info = caller.get("/info").json
        precision = info["stages"]["cnn_detections"]["precision"]
        return info["worker"]["scan_stopped"] is not None, caller.metric("face_scan_stopped"), precision

    assert state() == (False, 0, "int8 scan")
    answer = caller.post("/detect", caller.photo(portrait)).json
    assert answer["faces-count"] == 1
    assert state() == (True, 1, "float32")
    _, worker, *_ = service.family()
    os.kill(worker, signal.SIGKILL)
    eventually("another worker", lambda: caller.get("/ready").json == {"ready": True, "restarts": 1}, 30)
    assert caller.post("/detect", caller.photo(portrait)).json == answer
    assert state() == (True, 1, "float32")
    reason = caller.get("/info").json["worker"]["scan_stopped"]
    assert service.stop() == 0
    of_detector, of_supervisor = (line for line in service.log.splitlines() if reason in line)
    assert "ERROR" in of_detector
    assert "ERROR" in of_supervisor
    assert "without the scan" in of_supervisor
