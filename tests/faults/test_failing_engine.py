"""Inference that fails at every n-th run: every photo still gets the right answer."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.answers import assert_same_answer
from tests.calling import Caller

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
        command=(sys.executable, "-m", "tests.faults.failing_engine", str(every)), FACE_MODEL="4"
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
    assert caller.get("/ready").status == 200
    assert failing.stop() == 0
    assert "Traceback" not in failing.log
