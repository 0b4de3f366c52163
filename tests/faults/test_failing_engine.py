"""An engine that fails again and again: every photo has its answer, the right one."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.calling import Caller
from tests.faults.conftest import PATIENCE

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

CALLERS = 16


def assert_same_answer(answer: Any, expected: Any) -> None:
    """Equal, but for the last bits of what another engine computed."""
    assert answer["faces-count"] == expected["faces-count"]
    for face, other in zip(answer["faces"], expected["faces"], strict=True):
        for exact in ("left", "top", "right", "bottom", "landmarks"):
            assert face[exact] == other[exact]
        np.testing.assert_allclose(face["descriptor"], other["descriptor"], rtol=0, atol=1e-5)
        assert face["detection_confidence"] == pytest.approx(other["detection_confidence"], abs=1e-5)


def counted(caller: Caller, name: str) -> float:
    """The sum of a counter over its labels."""
    families = text_string_to_metric_families(caller.get("/metrics").body.decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


# A photo takes two runs for the detector's halves, and one more where it has faces. So with 7 the second try of a photo
# mostly succeeds, and with 2 none does without dlib.
@pytest.mark.slow
@pytest.mark.parametrize("every", [7, 2])
def test_every_photo_is_answered(
    service: Service, caller: Caller, start_service: StartService, small_photos: list[bytes], every: int
) -> None:
    expected = [caller.post("/detect", caller.photo(photo)).json for photo in small_photos]
    assert service.stop() == 0
    failing = start_service(
        command=(sys.executable, "-m", "tests.faults.failing_engine", str(every)), FACE_MODEL="4"
    )
    failing.wait_until_ready()
    caller = Caller(failing.port, patience=PATIENCE)
    photos = small_photos * 4
    with ThreadPoolExecutor(CALLERS) as pool:
        replies = list(pool.map(lambda photo: caller.post("/detect", caller.photo(photo)), photos))
    for number, reply in enumerate(replies):
        assert reply.status == 200, failing.log
        assert_same_answer(reply.json, expected[number % len(expected)])
    assert counted(caller, "face_retried_total") > 0
    if every == 2:
        # A new worker after eight photos in a row, and its counters begin anew.
        assert counted(caller, "face_worker_restarts_total") > 0
    assert caller.get("/ready").status == 200
    assert failing.stop() == 0
    assert "Traceback" not in failing.log
