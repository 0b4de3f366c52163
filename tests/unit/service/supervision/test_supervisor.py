"""Readiness, restart, status and shutdown of the worker."""

from __future__ import annotations

import asyncio
import logging

import pytest

from service.messages import ScanStopped, StatusReport, WorkerStatus
from service.supervision import NeverReady, NotReady, link, supervisor
from service.supervision.link import Link
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.supervised import SupervisorScenario


def test_readiness_from_start_to_close() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        opened = asyncio.create_task(it.supervisor.networks_loaded())
        worker = await it.worker(warm=False)
        with pytest.raises(NotReady):
            it.supervisor.check_ready()
        assert not opened.done()
        worker.open()
        await opened
        with pytest.raises(NotReady):
            it.supervisor.check_ready()
        worker.warm()
        await settle()
        it.supervisor.check_ready()
        await it.supervisor.close()
        assert worker.closed.is_set()
        assert (it.failures, it.supervisor.restarts.total(), len(it.starts)) == ([], 0, 1)

    run_async(story)


def test_all_later_workers_start_without_a_scan_that_has_stopped(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker()
        assert not worker.without_scan
        worker.send(ScanStopped(reason="a checked photo differed"))
        worker.die(-11)  # before anything else is received
        for _ in range(2):
            worker = await it.worker()
            assert worker.without_scan
            assert it.supervisor.scan_stopped == "a checked photo differed"
            worker.die(-11)
        await it.supervisor.close()

    run_async(story)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "without the scan: a checked photo differed" in errors[0]


def test_a_worker_that_dies_is_replaced_at_once_and_its_photo_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker()
        answer = it.post()
        await worker.photo()
        worker.die(-11)
        worker = await it.worker(warm=False)
        await it.supervisor.networks_loaded()  # once open, open for ever: photos wait
        with pytest.raises(NotReady):
            it.supervisor.check_ready()
        worker.warm()
        worker.answer(await worker.photo(), b"{}")
        assert await answer == b"{}"
        assert (it.supervisor.restarts, it.supervisor.resent) == ({"SIGSEGV": 1}, {"SIGSEGV": 1})
        await it.supervisor.close()

    run_async(story)
    assert "the worker process died (SIGSEGV); another one is started" in caplog.text


def test_closing_ends_a_backoff_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 1000)

    async def story() -> None:
        it = SupervisorScenario()
        (await it.worker(warm=False)).die(-9)
        await settle()
        await it.supervisor.close()
        assert len(it.starts) == 1

    run_async(story)


def test_closing_ends_a_starting_worker() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker(warm=False)
        await it.supervisor.close()
        assert worker.closed.is_set()
        assert it.failures == []

    run_async(story)


def test_a_stuck_worker_does_not_hold_up_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(link, "CLOSING_SECONDS", 0.05)

    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker()
        worker._leaves = False
        await worker.requests.get()
        await it.supervisor.close()
        assert worker.kills == 1

    run_async(story)


def test_status_falls_back_to_the_last_known_one() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker()
        asking = asyncio.create_task(it.supervisor.status())
        status = WorkerStatus(metrics="x 1\n", stages=None, restrictions={})
        worker.send(StatusReport(number=await worker.requests.get()), status.head())
        assert await asking == status
        worker.die(-9)
        await it.worker(warm=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Link.status, "__defaults__", (0.01,))
            assert await it.supervisor.status() == status
        await it.supervisor.close()

    run_async(story)


def test_reports_each_warm_worker_with_its_status_and_the_end_of_the_one_before() -> None:
    async def story() -> None:
        reports: list[tuple[WorkerStatus | None, str | None]] = []
        it = SupervisorScenario(lambda status, cause: reports.append((status, cause)))
        first = WorkerStatus(metrics="first 1\n", stages=None, restrictions={})
        second = WorkerStatus(metrics="second 1\n", stages=None, restrictions={})
        for status in (first, second):
            worker = await it.worker()
            worker.send(StatusReport(number=await worker.requests.get()), status.head())
            await settle()
            worker.die(-11)
        await it.worker(warm=False)
        assert reports == [(first, None), (second, "SIGSEGV")]
        await it.supervisor.close()

    run_async(story)


def test_does_not_report_a_worker_that_died_at_once() -> None:
    async def story() -> None:
        reports: list[str | None] = []
        it = SupervisorScenario(lambda status, cause: reports.append(cause))
        worker = await it.worker()
        worker.die(-11)
        await it.worker(warm=False)
        await settle()
        assert reports == []
        await it.supervisor.close()

    run_async(story)


def test_supervision_that_fails_ends_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_: Link) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Link, "run", failing)

    async def story() -> None:
        it = SupervisorScenario()
        with pytest.raises(NeverReady):
            await it.post()
        assert len(it.failures) == 1
        assert "can't start new thread" in it.failures[0]
        await it.supervisor.close()

    run_async(story)
    assert "the supervision of the worker process failed" in caplog.text


def test_photos_of_many_callers_survive_many_deaths() -> None:
    """Each worker answers some photos and is killed; each photo is answered by itself, and none twice."""

    async def story() -> None:
        it = SupervisorScenario()
        answers = {number: it.post(b"%d" % number) for number in range(150)}
        while not all(answer.done() for answer in answers.values()):
            worker = await it.worker()
            for _ in range(20):
                await settle()
                if worker.photos.empty():
                    break
                came = await worker.photo()
                worker.answer(came, came.content[: came.photo.size])
            await settle()
            worker.die(-15)
        for number, answer in answers.items():
            assert await answer == b"%d" % number
        assert it.supervisor.restarts.keys() == {"SIGTERM"}
        await it.supervisor.close()

    run_async(story)


def test_a_worker_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        it = SupervisorScenario()
        worker = await it.worker()
        asking = asyncio.create_task(it.supervisor.check_answering())
        report = WorkerStatus(metrics="", stages=None, restrictions={})
        worker.send(StatusReport(number=await worker.requests.get()), report.head())
        await asking
        monkeypatch.setattr(link.Link.status, "__defaults__", (0.01,))
        with pytest.raises(NotReady):
            await it.supervisor.check_answering()
        await it.supervisor.close()

    run_async(story)


def test_reports_each_warm_worker_with_the_end_of_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0)
    status = WorkerStatus(metrics="x 1\n", stages=None, restrictions={})

    async def story() -> None:
        reported: list[tuple[WorkerStatus | None, str | None]] = []
        it = SupervisorScenario(lambda *report: reported.append(report))
        (await it.worker(warm=False)).die(-9)  # before it is warm: the next one is the first
        for _ in range(2):
            worker = await it.worker()
            worker.send(StatusReport(number=await worker.requests.get()), status.head())
            await settle()
            worker.die(-11)
        await it.supervisor.close()
        assert reported == [(status, None), (status, "SIGSEGV")]

    run_async(story)
