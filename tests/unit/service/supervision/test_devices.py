"""The rule for faults of a device: alone, and in a supervisor with scripted workers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from service.messages import (
    DEVICE_FAULT,
    ENGINE_FAILED,
    CannotStart,
    DeviceFaulted,
    DeviceTried,
)
from service.supervision import devices
from service.supervision.blame import MAXIMUM_UNRELATED
from service.supervision.deaths import FAULTY_DEVICE, MALFORMED, STUCK, Death
from service.supervision.devices import FAULTS_APART_SECONDS, Device, DeviceRule, fault
from service.supervision.supervisor import MAXIMUM_FAILED_STARTS
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.dispatched import refusal
from tests.unit.service.supervision.peer import Worker
from tests.unit.service.supervision.supervised import SupervisorScenario

CARD = Device("webgpu", "a card")
TRIED = DeviceTried(provider="webgpu", device="a card")
ON_CPU = DeviceTried(provider="cpu", device=None)
LOST = DeviceFaulted(provider="webgpu", reason="it is lost")
QUARANTINE = 0.2
"""Seconds; long enough for the start of a scripted worker."""


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rule(clock: Clock) -> DeviceRule:
    return DeviceRule(clock)


def test_the_second_fault_within_an_hour_begins_a_quarantine(
    rule: DeviceRule, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    rule.failed(CARD, "it is lost")
    assert rule.quarantine is None
    clock.now += timedelta(minutes=9)
    rule.failed(CARD, "it is\nlost again")
    assert str(rule.quarantine) == (
        "a card (webgpu) has failed (12:09 UTC): it is lost again; it is tried again after 13:09 UTC"
    )
    rule.release()
    assert rule.quarantine is None
    rule.failed(CARD, "and again")  # a new cycle, with a first fault
    assert rule.quarantine is None
    assert rule.faults == {"webgpu": 3}
    assert [record.getMessage() for record in caplog.records] == [
        "a card (webgpu) has failed: it is lost. A new worker process tries it once more.",
        "a card (webgpu) has failed again: it is lost again. The CPU computes, and the device is tried again after "
        "13:09 UTC.",
        "a card (webgpu) is tried again, after its faults of 12:09 UTC",
        "a card (webgpu) has failed: and again. A new worker process tries it once more.",
    ]


def test_rare_faults_begin_no_quarantine(rule: DeviceRule, clock: Clock) -> None:
    for _ in range(3):
        rule.failed(Device("cuda", None), "it is lost")
        clock.now += timedelta(seconds=FAULTS_APART_SECONDS + 1)
    assert rule.quarantine is None
    assert rule.faults == {"cuda": 3}


CRASH = Death("SIGSEGV")
OUT_OF_MEMORY = Death("out of memory", out_of_memory=True)


@pytest.mark.parametrize(
    ("death", "ready", "reason"),
    [
        (FAULTY_DEVICE, True, devices.NO_RETURN),
        (Death("engine failed", unrelated=True), True, devices.FAILED_RUNS),
        (CRASH, False, "the worker process died (SIGSEGV) while it was opened"),
        (CRASH, True, "the worker process died (SIGSEGV) while the device computed"),
        (STUCK, False, "the worker process died (stuck) while it was opened"),
        (OUT_OF_MEMORY, False, "the worker process died (out of memory) while it was opened"),
        (OUT_OF_MEMORY, True, None),  # a photo may be the cause
        (Death("SIGTERM", unrelated=True), False, None),
        (Death("SIGKILL", unrelated=True), True, None),
        (MALFORMED, True, None),
    ],
)
def test_deaths_that_are_faults_of_a_device(death: Death, ready: bool, reason: str | None) -> None:
    assert fault(CARD, death, ready=ready, reported=None, refusal=None) == reason
    assert fault(None, death, ready=ready, reported=None, refusal=None) is None


def test_the_workers_own_reason_comes_first() -> None:
    assert fault(CARD, FAULTY_DEVICE, ready=True, reported="zeros alone", refusal=None) == "zeros alone"
    refused = fault(CARD, Death("exit status 1"), ready=False, reported=None, refusal="there is no driver")
    assert refused == "there is no driver"


@pytest.fixture
def short_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "QUARANTINE_SECONDS", QUARANTINE)


async def on_device(it: SupervisorScenario) -> Worker:
    """The next worker, warm on its device."""
    worker = await it.worker(warm=False)
    assert worker.quarantine is None
    worker.send(TRIED)
    worker.warm()
    await settle()
    return worker


async def on_cpu(it: SupervisorScenario) -> Worker:
    """The next worker, warm on the CPU since its device is in quarantine."""
    worker = await it.worker(warm=False)
    assert worker.quarantine is not None
    assert "it is lost" in worker.quarantine
    worker.send(ON_CPU)
    worker.warm()
    await settle()
    return worker


def lose(worker: Worker) -> None:
    worker.send(LOST)
    worker.die(DEVICE_FAULT)


@pytest.mark.usefixtures("short_quarantine")
def test_a_photo_survives_two_faults_and_the_device_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answer = it.post()
        for _ in range(2):
            worker = await on_device(it)
            await worker.photo()
            lose(worker)
        assert it.supervisor.devices.quarantine is None or not answer.done()
        worker = await on_cpu(it)
        assert str(it.supervisor.devices.quarantine) == worker.quarantine
        came = await worker.photo()
        worker.answer(came, b"{1}")
        assert await answer == b"{1}"
        assert it.supervisor.resent == {"device fault": 2}
        worker = await on_device(it)  # after the quarantine
        answer = it.post()
        worker.answer(await worker.photo(), b"{2}")
        assert await answer == b"{2}"
        assert it.supervisor.devices.quarantine is None
        lose(worker)
        await on_device(it)  # once more, as in the first cycle
        assert it.failures == []
        assert it.supervisor.restarts == {"device fault": 3}
        await it.supervisor.close()

    run_async(story)
    assert "it is refused" not in caplog.text


@pytest.mark.usefixtures("short_quarantine")
def test_the_device_is_tried_again_at_a_moment_without_a_photo() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(2):
            lose(await on_device(it))
        worker = await on_cpu(it)
        first = it.post(b"1")
        came = await worker.photo()
        while it.supervisor.devices.quarantine is not None:
            await settle()
        second = it.post(b"2")  # it waits for the device
        assert await worker.is_idle()
        assert not worker.closed.is_set()
        worker.answer(came, b"{1}")
        assert await first == b"{1}"
        worker = await on_device(it)
        worker.answer(await worker.photo(), b"{2}")
        assert await second == b"{2}"
        assert it.supervisor.restarts.total() == 2
        await it.supervisor.close()

    run_async(story)


@pytest.mark.usefixtures("short_quarantine")
def test_a_worker_that_starts_on_the_cpu_when_the_quarantine_ends_is_replaced() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(2):
            lose(await on_device(it))
        worker = await it.worker(warm=False)
        while it.supervisor.devices.quarantine is not None:
            await settle()
        answer = it.post()
        assert not worker.closed.is_set()
        worker.open()
        worker = await on_device(it)
        worker.answer(await worker.photo())
        await answer
        await it.supervisor.close()

    run_async(story)


@pytest.mark.usefixtures("short_quarantine")
def test_a_device_that_the_next_worker_cannot_use_is_tried_again() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        lose(await on_device(it))
        worker = await it.worker(warm=False)
        worker.send(TRIED)
        worker.send(ON_CPU)  # its driver is still away
        worker.warm()
        await settle()
        assert it.supervisor.devices.quarantine is not None
        assert not worker.closed.is_set()
        await on_device(it)
        assert it.supervisor.restarts.total() == 1
        await it.supervisor.close()

    run_async(story)


def test_starts_that_crash_in_a_driver_do_not_end_the_service() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answer = it.post()
        for _ in range(2):
            worker = await it.worker(warm=False)
            worker.send(TRIED)
            worker.die(-11)
        worker = await it.worker(warm=False)
        assert worker.quarantine is not None
        assert "SIGSEGV" in worker.quarantine
        for _ in range(MAXIMUM_FAILED_STARTS - 1):  # and then four by another cause
            worker.die(-11)
            worker = await it.worker(warm=False)
        worker.warm()
        worker.answer(await worker.photo(), b"{}")
        assert await answer == b"{}"
        assert it.failures == []
        assert it.supervisor.devices.faults == {"webgpu": 2}
        await it.supervisor.close()

    run_async(story)


def test_crashes_of_a_driver_are_blamed_on_no_photo() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answers = [it.post(content) for content in (b"1", b"2")]
        for _ in range(2):
            worker = await on_device(it)
            came = [await worker.photo() for _ in answers]  # together: none is isolated
            assert len(came) == 2
            worker.die(-11)
        worker = await it.worker()
        for content in (b"1", b"2"):
            worker.answer(await worker.photo(), content)
        assert [await answer for answer in answers] == [b"1", b"2"]
        await it.supervisor.close()

    run_async(story)


@pytest.mark.usefixtures("short_quarantine")
def test_no_number_of_faults_of_a_device_refuses_a_photo() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answer = it.post()
        faults = MAXIMUM_UNRELATED + 2
        for number in range(faults):
            worker = await on_device(it)
            await worker.photo()
            worker.die((DEVICE_FAULT, ENGINE_FAILED, -11, -6)[number // 2 % 4])
            if number % 2 == 1:  # a quarantine, and a kill that the photo has no part in, after its end
                worker = await it.worker()
                await worker.photo()
                assert worker.quarantine is not None
                while it.supervisor.devices.quarantine is not None:
                    await settle()
                worker.die(0)
        worker = await on_device(it)
        worker.answer(await worker.photo(), b"{1}")
        assert await answer == b"{1}"
        assert it.failures == []
        assert it.supervisor.devices.faults == {"webgpu": faults}
        await it.supervisor.close()

    run_async(story)


def test_a_photo_that_crashes_every_worker_is_refused_alone_after_two_faults_of_the_device() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        culprit = it.post(b"culprit")
        await settle()
        harmless = it.post(b"harmless")
        for _ in range(2):
            worker = await on_device(it)
            for _ in range(2):
                await worker.photo()
            worker.die(-11)
        worker = await it.worker()  # on the CPU
        assert worker.quarantine is not None
        await worker.photo()
        await worker.photo(begun=False)
        worker.die(-11)
        worker = await it.worker()
        assert (await worker.photo()).content.startswith(b"culprit")
        assert await worker.is_idle()
        worker.die(-11)
        assert (await refusal(culprit))[0] == 415
        worker = await it.worker()
        worker.answer(await worker.photo(), b"{1}")
        assert await harmless == b"{1}"
        assert it.failures == []
        assert it.supervisor.devices.faults == {"webgpu": 2}
        await it.supervisor.close()

    run_async(story)


def test_a_device_that_is_gone_at_a_later_start_is_a_fault() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        lose(await on_device(it))
        worker = await it.worker(warm=False)
        worker.send(TRIED)
        worker.send(CannotStart(), b"there is no driver: it is lost")
        worker.die(1)
        await on_cpu(it)
        assert it.failures == []
        await it.supervisor.close()

    run_async(story)


def test_a_named_device_that_is_missing_at_the_first_start_ends_the_service() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker(warm=False)
        worker.send(TRIED)
        worker.send(CannotStart(), b"there is no driver")
        worker.die(1)
        await settle()
        assert it.failures == ["there is no driver"]
        assert it.supervisor.devices.faults.total() == 0
        await it.supervisor.close()

    run_async(story)


def test_a_crash_of_a_worker_on_the_cpu_is_no_fault_of_a_device() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(2):
            worker = await it.worker(warm=False)
            worker.send(TRIED)  # it is not used
            worker.send(ON_CPU)
            worker.warm()
            answer = it.post()
            worker.answer(await worker.photo())
            await answer
            worker.die(-11)
        assert (await it.worker()).quarantine is None
        assert it.supervisor.devices.faults.total() == 0
        await it.supervisor.close()

    run_async(story)


def test_an_engine_that_fails_for_every_photo_on_a_device_is_its_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(2):
            (await on_device(it)).die(ENGINE_FAILED)
        assert (await it.worker()).quarantine is not None
        await it.supervisor.close()

    run_async(story)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all(devices.FAILED_RUNS in error for error in errors)
