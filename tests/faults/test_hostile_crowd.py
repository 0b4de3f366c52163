"""Hostile requests among honest ones: every honest photo gets the same answer as alone."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.processes import process_tree
from tests.answers import EDGES, assert_same_answer
from tests.calling import Caller, Reply
from tests.faults.resizing import SMALL_MEGAPIXELS, resized
from tests.hostile import TABLE, names_in_rotation

if TYPE_CHECKING:
    from benchmarks.processes.running import Service

HONEST, HOSTILE, CALLERS = 1000, 100, 16
GROWTH = 1.1
"""Upper bound of the second half's memory, divided by the first's."""
PROMPT = 0.1
"""Upper bound in seconds of the 99th percentile of `/health`. The callers and this test use the same cores."""
PAUSE = 0.05
"""Seconds between two requests."""

Call = Callable[[], Reply]


@dataclass
class HealthTimer:
    """Measures the response time of `/health` between entry and exit."""

    caller: Caller
    seconds: list[float] = field(default_factory=list)

    def __enter__(self) -> HealthTimer:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._ended.wait(PAUSE):
            start = time.perf_counter()
            assert self.caller.get("/health").body == b"ok"
            self.seconds.append(time.perf_counter() - start)


def honest_calls(caller: Caller, photos: list[bytes]) -> list[Call]:
    """`/detect` of each photo in several sizes, and `/compute` of its first face as `occ face:migrate` sends it."""
    calls: list[Call] = []
    for photo in photos:
        for megapixels in SMALL_MEGAPIXELS:
            data = resized(photo, megapixels)
            calls.append(lambda data=data: caller.post("/detect", caller.photo(data)))  # type: ignore[misc]
            for face in calls[-1]().json["faces"][:1]:
                part = caller.face(json.dumps({edge: face[edge] for edge in EDGES}).encode())
                calls.append(
                    lambda data=data, part=part: caller.post("/compute", caller.photo(data, b"a.jpg"), part)  # type: ignore[misc]
                )
    return calls


def comparable(answer: Any) -> Any:
    """An answer of `/compute` in the form of one of `/detect`."""
    if "faces" in answer:
        return answer
    return {"faces-count": 1, "faces": [{**answer["face"], "detection_confidence": 1}]}


@pytest.mark.slow
def test_hostile_requests_change_no_honest_answer(
    service: Service, caller: Caller, small_photos: list[bytes]
) -> None:
    wrong = {
        name: status
        for name, hostile in TABLE.items()
        if (status := hostile.send(caller)) not in hostile.allowed
    }
    assert service.process.poll() is None, service.log
    assert wrong == {}

    honest = honest_calls(caller, small_photos)
    alone = [comparable(call().json) for call in honest]

    def call(name: str, number: int) -> None:
        if name:
            status = TABLE[name].send(caller)
            if status not in TABLE[name].allowed:
                found.append(f"{name}: {status}")
            return
        try:
            reply = honest[number]()
            assert reply.status == 200, reply.body
            assert_same_answer(comparable(reply.json), alone[number])
        except (OSError, AssertionError) as error:
            found.append(f"honest call {number}: {error!r}")

    found: list[str] = []
    half = [("", number % len(honest)) for number in range(HONEST // 2)]
    names = names_in_rotation(HOSTILE)
    memory = []
    with ThreadPoolExecutor(CALLERS) as pool:
        # Once before the memory is measured, so that the buffers for concurrent photos are allocated.
        list(pool.map(lambda number: call("", number), range(len(honest))))
        with HealthTimer(caller) as health:
            for hostile in (names[::2], names[1::2]):
                service.peak_memory(forget=True)
                calls = [*half, *((name, 0) for name in hostile)]
                random.Random(4).shuffle(calls)
                list(pool.map(lambda arguments: call(*arguments), calls))
                memory.append((process_tree.resident_memory(service.process.pid), service.peak_memory()))
    assert found == []
    for early, late in zip(*memory, strict=True):
        assert late <= GROWTH * early, memory
    assert len(health.seconds) > 50
    assert np.quantile(health.seconds, 0.99) < PROMPT
    assert caller.metric("face_retried_total") == 0  # a retry is for faults of the machine alone
    assert service.stop() == 0
    assert "Traceback" not in service.log
