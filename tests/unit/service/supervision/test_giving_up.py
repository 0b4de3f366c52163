"""Failures after which the supervisor gives up: consecutive failed starts, and consecutive blamed photos."""

from __future__ import annotations

import asyncio

import pytest

from service.messages import CannotStart
from service.supervision import NeverReady, Refused
from service.supervision.supervisor import MAXIMUM_BLAMED_PHOTOS, MAXIMUM_FAILED_STARTS
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.supervised import SupervisorScenario


def test_consecutive_failed_starts_end_the_service(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answer = it.post()
        for _ in range(MAXIMUM_FAILED_STARTS):
            worker = await it.worker(warm=False)
            worker.open()
            await worker.photo(begun=False)
            worker.die(-11)
        with pytest.raises(NeverReady):
            await answer
        with pytest.raises(NeverReady):
            await it.supervisor.networks_loaded()
        with pytest.raises(NeverReady):
            it.supervisor.check_ready()
        with pytest.raises(NeverReady):
            await it.post()
        assert it.failures == ["the worker process died at 5 starts in a row (SIGSEGV)"]
        pauses = [later - earlier for earlier, later in zip(it.starts, it.starts[1:], strict=False)]
        for number, pause in enumerate(pauses):
            assert pause >= 0.01 * 2**number
        await it.supervisor.close()

    run_async(story)


def test_a_successful_start_resets_the_count() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(2):
            for _ in range(MAXIMUM_FAILED_STARTS - 1):
                (await it.worker(warm=False)).die(-9)
            (await it.worker()).die(-9)
        await it.worker()
        assert it.failures == []
        await it.supervisor.close()

    run_async(story)


def test_a_first_worker_that_cannot_start_ends_the_service_at_once() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        answer = it.post()
        worker = await it.worker(warm=False)
        worker.send(CannotStart(), b"there is no such device")
        worker.die(1)
        with pytest.raises(NeverReady):
            await answer
        assert it.failures == ["there is no such device"]
        assert len(it.starts) == 1
        await it.supervisor.close()

    run_async(story)


def test_a_worker_that_cannot_start_later_counts_as_a_failed_start(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        (await it.worker()).die(-9)
        for _ in range(2):
            worker = await it.worker(warm=False)
            worker.send(CannotStart(), b"the device is away")
            worker.die(1)
        worker = await it.worker()
        answer = it.post()
        worker.answer(await worker.photo(), b"{}")
        await answer
        worker.die(-9)
        for _ in range(MAXIMUM_FAILED_STARTS):
            assert it.failures == []
            worker = await it.worker(warm=False)
            worker.send(CannotStart(), b"the device is gone")
            worker.die(1)
        with pytest.raises(NeverReady):
            await it.post()
        await settle()
        (reason,) = it.failures
        assert "5 starts in a row" in reason
        assert "the device is gone" in reason
        await it.supervisor.close()

    run_async(story)
    assert "the device is away" in caplog.text


def test_a_process_that_cannot_be_started_is_a_failed_start() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        (await it.worker()).die(-9)
        it.error = OSError(11, "Resource temporarily unavailable")
        await asyncio.sleep(0.015)
        it.error = None
        await it.worker()
        assert it.supervisor.restarts["not started: Resource temporarily unavailable"] >= 1
        await it.supervisor.close()

    run_async(story)


def test_a_death_without_a_photo_counts_as_a_failed_start() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(MAXIMUM_FAILED_STARTS - 1):
            (await it.worker()).die(-11)
        answered = it.post()
        worker = await it.worker()
        worker.answer(await worker.photo())
        await answered
        worker.die(-11)
        for _ in range(MAXIMUM_FAILED_STARTS):
            assert it.failures == []
            (await it.worker()).die(-11)
        await settle()
        assert it.failures == ["the worker process died at 5 starts in a row (SIGSEGV)"]

    run_async(story)


def test_consecutive_blamed_photos_end_the_service() -> None:
    async def refused(it: SupervisorScenario) -> None:
        photo = it.post()
        for _ in range(2):
            worker = await it.worker()
            await worker.photo()
            worker.die(-11)
        with pytest.raises(Refused):
            await photo

    async def story() -> None:
        it = SupervisorScenario()
        for _ in range(MAXIMUM_BLAMED_PHOTOS - 1):
            await refused(it)
        answered = it.post()
        worker = await it.worker()
        worker.answer(await worker.photo())
        await answered
        worker.die(-9)  # by another process: nothing is in work
        for _ in range(MAXIMUM_BLAMED_PHOTOS):
            assert it.failures == []
            await refused(it)
        await settle()
        assert it.failures == ["5 photos in a row ended the worker process twice each (SIGSEGV)"]
        with pytest.raises(NeverReady):
            await it.supervisor.networks_loaded()

    run_async(story)
