"""Hostile requests among honest ones: every honest photo has the answer that it has alone."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from benchmarks.harness import processes
from tests.calling import Caller, Reply
from tests.faults.test_failing_engine import assert_same_answer, counted
from tests.hostile import TABLE, in_turn

if TYPE_CHECKING:
    from benchmarks.harness.running import Service

HONEST, HOSTILE, CALLERS = 1000, 100, 16
MEGAPIXELS = (0.1, 0.15, 0.2, 0.3)
EDGES = ("left", "top", "right", "bottom")
GROWTH = 1.1
"""The second half's memory over the first's."""
PROMPT = 0.1
"""Seconds in which `/health` answers, 99th percentile: the callers compute on the same cores, and so does this test."""
PAUSE = 0.05
"""Seconds between two questions."""

Call = Callable[[], Reply]


@dataclass
class Health:
    """Times `/health` all the while between entering and leaving it."""

    caller: Caller
    seconds: list[float] = field(default_factory=list)

    def __enter__(self) -> Health:
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._asking.join()

    def _ask(self) -> None:
        while not self._over.wait(PAUSE):
            start = time.perf_counter()
            assert self.caller.get("/health").body == b"ok"
            self.seconds.append(time.perf_counter() - start)


def honest_calls(caller: Caller, photos: list[bytes]) -> list[Call]:
    """Of each photo in some sizes: a search for its faces, and its first face as the migration sends it."""
    calls: list[Call] = []
    for photo in photos:
        pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        for megapixels in MEGAPIXELS:
            scale = (megapixels * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
            data = cv2.imencode(".jpg", cv2.resize(pixels, None, fx=scale, fy=scale))[1].tobytes()
            calls.append(lambda data=data: caller.post("/detect", caller.photo(data)))  # type: ignore[misc]
            for face in calls[-1]().json["faces"][:1]:
                part = caller.face(json.dumps({edge: face[edge] for edge in EDGES}).encode())
                calls.append(
                    lambda data=data, part=part: caller.post("/compute", caller.photo(data, b"a.jpg"), part)  # type: ignore[misc]
                )
    return calls


def comparable(answer: Any) -> Any:
    """An answer of `/compute` as one of `/detect`, which have the same face in them."""
    if "faces" in answer:
        return answer
    return {"faces-count": 1, "faces": [{**answer["face"], "detection_confidence": 1}]}


@pytest.mark.slow
def test_a_hundred_hostile_calls_among_a_thousand_honest_ones(
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
    names = in_turn(HOSTILE)
    memory = []
    with ThreadPoolExecutor(CALLERS) as pool:
        # Before the memory is looked at, once: buffers that are kept for concurrent photos.
        list(pool.map(lambda number: call("", number), range(len(honest))))
        with Health(caller) as health:
            for hostile in (names[::2], names[1::2]):
                service.peak_memory(forget=True)
                calls = [*half, *((name, 0) for name in hostile)]
                random.Random(4).shuffle(calls)
                list(pool.map(lambda made: call(*made), calls))
                memory.append((processes.resident_memory(service.process.pid), service.peak_memory()))
    assert found == []
    for early, late in zip(*memory, strict=True):
        assert late <= GROWTH * early, memory
    assert len(health.seconds) > 50
    assert np.quantile(health.seconds, 0.99) < PROMPT
    assert counted(caller, "face_retried_total") == 0  # no hostile file was taken for a fault of the machine
    assert service.stop() == 0
    assert "Traceback" not in service.log
