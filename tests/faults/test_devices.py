"""Planted faults of a device: every photo gets the CPU's answer, and log, `/info` and metrics tell the fault."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import assert_same_answer
from tests.calling import Caller
from tests.faults.planted_device import NAME, REPAIRED
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

CALLERS = 8
START_SECONDS = 60.0
"""Upper bound for the start of a worker on a loaded machine."""


@dataclass
class Planted:
    """A service with a planted device, and the CPU's answers."""

    service: Service
    caller: Caller
    photos: list[bytes]
    expected: list[Any]
    folder: Path

    def repair(self) -> None:
        """End the fault."""
        (self.folder / REPAIRED).touch()

    def check_answers(self, count: int) -> None:
        """Send photos from several callers; every answer has to be the CPU's."""

        def post(number: int) -> None:
            reply = self.caller.post("/detect", self.caller.photo(self.photos[number % len(self.photos)]))
            assert reply.status == 200, reply.body
            assert_same_answer(reply.json, self.expected[number % len(self.expected)])

        with ThreadPoolExecutor(CALLERS) as pool:
            for _ in pool.map(post, range(count)):
                pass

    def worker(self) -> dict[str, Any]:
        return dict(self.caller.get("/info").json["worker"])

    def descriptors(self) -> dict[str, Any]:
        return dict(self.caller.get("/info").json["stages"]["descriptors"])

    def on_device(self) -> bool:
        """True if a warm worker uses the device, which has the same ONNX Runtime provider as the CPU."""
        reply = self.caller.get("/info")
        proof = reply.json["stages"]["descriptors"]["device_proof"] if reply.status == 200 else None
        return proof is not None and proof["device"] == NAME and proof["reason"] is None

    def lines(self, part: str) -> list[str]:
        """Lines of the log with this text."""
        return [line for line in self.service.log.splitlines() if part in line]

    def wait_until_on_device(self) -> None:
        eventually("the device computes", self.on_device, START_SECONDS)


Plant = Callable[..., Planted]


@pytest.fixture(scope="module")
def expected_of(start_service: StartService, small_photos: list[bytes]) -> Callable[[str], list[Any]]:
    """`expected_of(model)`: the CPU's answers to the small photos."""
    known: dict[str, list[Any]] = {}

    def answers(model: str) -> list[Any]:
        if model not in known:
            service = start_service(FACE_MODEL=model, FACE_PROVIDERS="cpu", FACE_PRECISION="float32")
            service.wait_until_ready()
            caller = Caller(service.port)
            known[model] = [caller.post("/detect", caller.photo(photo)).json for photo in small_photos]
            assert service.stop() == 0
        return known[model]

    return answers


@pytest.fixture
def plant(
    start_service: StartService,
    small_photos: list[bytes],
    expected_of: Callable[[str], list[Any]],
    tmp_path: Path,
) -> Iterator[Plant]:
    """`plant(fault, model)` starts a service with a planted device."""
    started: list[Service] = []

    def start(fault: str, model: str = "3") -> Planted:
        expected = expected_of(model)
        service = start_service(
            command=(sys.executable, "-m", "tests.faults.planted_device", fault, str(tmp_path)),
            FACE_MODEL=model,
            FACE_PROVIDERS="auto",
            FACE_PRECISION="float32",
        )
        started.append(service)
        service.wait_until_ready()
        return Planted(service, Caller(service.port), small_photos, expected, tmp_path)

    yield start
    for service in started:
        service.close()


@contextmanager
def told(planted: Planted) -> Iterator[None]:
    """Stop the service after the block, and check that no photo was refused or computed by dlib."""
    yield
    assert planted.caller.metric("face_fallbacks_total") == 0
    assert planted.service.stop() == 0
    assert planted.lines("it is refused") == []
    assert planted.lines("Traceback") == []


@pytest.mark.parametrize(
    ("fault", "reason"), [("wrong", "differs from the CPU's by 0.01"), ("slow", "of the CPU's time")]
)
@pytest.mark.slow
def test_a_device_that_is_wrong_or_slower_is_not_used(plant: Plant, fault: str, reason: str) -> None:
    planted = plant(fault)
    with told(planted):
        planted.check_answers(10)
        assert not planted.on_device()
        proof = planted.descriptors()["device_proof"]
        assert (proof["device"], proof["passed"]) == (NAME, fault == "slow")
        assert reason in proof["reason"]
        assert planted.worker()["restarts"] == {}
    (line,) = planted.lines(reason)
    assert NAME in line


@pytest.mark.slow
def test_a_driver_that_crashes_at_the_start_does_not_end_the_service(plant: Plant) -> None:
    planted = plant("crash")  # ready in spite of it
    with told(planted):
        planted.check_answers(10)
        worker = planted.worker()
        assert worker["restarts"] == {"SIGSEGV": 2}
        assert worker["device_quarantine"]["device"] == NAME
        assert "SIGSEGV" in planted.descriptors()["device_missing"]
        assert planted.caller.metric("face_device_quarantined") == 1
        planted.repair()
        planted.wait_until_on_device()
        planted.check_answers(10)
    assert len(planted.lines("A new worker process tries it once more")) == 1
    assert len(planted.lines("The CPU computes, and the device is tried again after")) == 1


# Model 4 has two networks on the device, and takes longer.
@pytest.mark.parametrize("model", ["3", pytest.param("4", marks=pytest.mark.slow)])
def test_a_device_that_is_lost_is_tried_once_more_and_then_after_a_time_on_the_cpu(
    plant: Plant, model: str
) -> None:
    planted = plant("lost", model)
    with told(planted):
        assert planted.on_device()
        planted.check_answers(50)
        worker = planted.worker()
        assert worker["restarts"] == {"device fault": 2}
        assert worker["resent"]["device fault"] >= 2
        assert worker["device_faults"] == {"webgpu": 2}
        planted.repair()
        planted.wait_until_on_device()
        planted.check_answers(10)
        assert planted.worker()["device_quarantine"] is None
        assert planted.caller.metric("face_device_faults_total") == 2
        assert planted.caller.metric("face_device_quarantined") == 0
    steps = (
        "tries it once more",
        "The CPU computes, and the device is tried again after",
        "is tried again, after its",
    )
    found = [step for line in planted.lines(NAME) for step in steps if step in line]
    assert found == list(steps)
    assert all("Device is lost" in line for line in planted.lines("has failed"))


@pytest.mark.parametrize(
    ("fault", "reason"), [("zeros", "zeros alone"), ("hang", "has not returned within 3 seconds")]
)
@pytest.mark.slow
def test_a_device_that_gives_zeros_or_hangs_costs_no_photo(plant: Plant, fault: str, reason: str) -> None:
    planted = plant(fault)
    with told(planted):
        assert planted.on_device()
        planted.check_answers(50)
        assert planted.worker()["restarts"] == {"device fault": 2}
        planted.repair()
        planted.wait_until_on_device()
    reasons = planted.lines("has failed")
    assert len(reasons) >= 2
    assert all(reason in line for line in reasons)
