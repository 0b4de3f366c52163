from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.ipc.channel import PREFIX
from service.messages import CannotStart, ScanStopped, StatusReport, WorkerStatus
from service.supervision import Dispatch, Job, deaths, link
from service.supervision.deaths import MALFORMED, STUCK, UNENDED, Death
from service.supervision.link import Link
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.peer import Worker

STATUS = WorkerStatus(metrics="face_faces_total 1.0\n", stages=None, restrictions={})


class LinkScenario:
    """A link to a scripted worker."""

    def __init__(self, *, leaves: bool = True) -> None:
        self.worker = Worker(leaves=leaves)
        self.opened = 0
        self.dispatch = Dispatch(lambda _: None, lambda: None)
        self.scan_stops: list[str] = []
        self.warmed = 0
        self.link = Link(
            self.worker,
            self.dispatch,
            self._opened,
            self.scan_stops.append,
            self._warmed,
            low_memory=False,
        )
        self.running = asyncio.create_task(self.link.run())

    def _opened(self) -> None:
        self.opened += 1

    def _warmed(self) -> None:
        self.warmed += 1


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(link, "STUCK_SECONDS", 0.05)
    monkeypatch.setattr(link, "CLOSING_SECONDS", 0.05)


def test_a_worker_gets_photos_as_soon_as_its_networks_are_loaded() -> None:
    async def story() -> None:
        it = LinkScenario()
        job = Job(b"photo", "a", None, known=False, maximum_area=1)
        answer = asyncio.create_task(it.dispatch.answer(job))
        assert await it.worker.is_idle()
        it.worker.open()
        came = await it.worker.photo()
        assert (it.opened, it.link.ready, it.warmed, job.in_progress) == (1, False, 0, True)
        it.worker.warm()
        await settle()
        assert (it.link.ready, it.warmed) == (True, 1)
        it.worker.answer(came, b"{}")
        assert (await answer).body == b"{}"
        it.worker.die(-11)
        assert await it.running == Death("SIGSEGV")

    run_async(story)


def test_a_stopped_scan_is_reported_with_its_reason() -> None:
    async def story() -> None:
        it = LinkScenario()
        it.worker.open()
        it.worker.send(ScanStopped(reason="a checked photo differed"))
        await settle()
        assert it.scan_stops == ["a checked photo differed"]
        it.worker.die(0)
        await it.running

    run_async(story)


def test_the_reason_of_a_failed_start_arrives_despite_unread_messages() -> None:
    async def story() -> None:
        it = LinkScenario()
        asking = asyncio.create_task(it.link.status())
        await asyncio.sleep(0)
        # Nothing more is read, as by a worker that loads its networks.
        asyncio.get_running_loop().remove_reader(it.worker.channel._connection)
        await settle()
        it.worker.send(CannotStart(), "no such device: naïve".encode())
        it.worker.die(1)
        assert await it.running == Death("exit status 1")
        assert it.link.refusal == "no such device: naïve"
        assert await asking is None

    run_async(story)


def test_a_status_arrives() -> None:
    async def story() -> None:
        it = LinkScenario()
        first, second = (asyncio.create_task(it.link.status()) for _ in range(2))
        numbers = [await it.worker.requests.get() for _ in range(2)]
        it.worker.send(StatusReport(number=99), STATUS.head())
        it.worker.send(StatusReport(number=numbers[1]), STATUS.head())
        it.worker.send(StatusReport(number=numbers[1]), STATUS.head())
        assert await second == STATUS
        assert not first.done()
        it.worker.die(0)
        await it.running
        assert await first is None

    run_async(story)


def test_a_status_request_times_out() -> None:
    async def story() -> None:
        it = LinkScenario()
        assert await it.link.status(0.01) is None
        late = await it.worker.requests.get()
        it.worker.send(StatusReport(number=late), STATUS.head())
        await settle()
        assert not it.running.done()
        it.worker.die(0)
        await it.running

    run_async(story)


def test_the_status_of_an_exited_worker_is_none() -> None:
    async def story() -> None:
        it = LinkScenario(leaves=False)
        it.worker.channel.close()
        await settle()
        started = time.monotonic()
        assert await it.link.status(20) is None
        assert time.monotonic() - started < 10
        it.worker.die(0)
        await it.running

    run_async(story)


def test_a_death_ends_a_status_request_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CHECK_SECONDS", 0.0)

    async def story() -> None:
        it = LinkScenario()
        await it.worker.requests.get()  # the check whether it is stuck, which waits for STUCK_SECONDS
        it.worker.die(-9)
        await it.running

    run_async(story)


def test_closing_ends_a_status_request_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CHECK_SECONDS", 0.0)

    async def story() -> None:
        it = LinkScenario()
        await it.worker.requests.get()
        it.link.close()
        assert (await it.running).cause == "exit status 0"

    run_async(story)


@pytest.mark.usefixtures("short_timeouts")
def test_an_earlier_oom_kill_is_attributed_to_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernels = tmp_path / "vmstat"
    kernels.write_text("oom_kill 1\n")
    monkeypatch.setattr(deaths, "VMSTAT", kernels)
    monkeypatch.setattr(link, "STUCK_SECONDS", 30.0)

    async def story() -> None:
        it = LinkScenario()
        kernels.write_text("oom_kill 2\n")
        for _ in range(2):  # the second request shows that the first one was answered
            number = await it.worker.requests.get()
            it.worker.send(StatusReport(number=number), STATUS.head())
        it.worker.die(-9)
        assert await it.running == Death("SIGKILL", unrelated=True)

    run_async(story)


@pytest.mark.usefixtures("short_timeouts")
def test_a_stuck_worker_is_killed() -> None:
    async def story() -> None:
        it = LinkScenario(leaves=False)
        it.worker.open()
        await settle()
        assert await it.running == STUCK
        assert it.worker.kills == 1
        # No photo goes to what is ended.
        answer = asyncio.create_task(
            it.dispatch.answer(Job(b"photo", "a", None, known=False, maximum_area=1))
        )
        await settle()
        assert it.dispatch.waiting == 1
        answer.cancel()
        await settle()

    run_async(story)


@pytest.mark.usefixtures("short_timeouts")
def test_a_worker_that_answers_is_not_stuck() -> None:
    async def story() -> None:
        it = LinkScenario()
        for _ in range(5):
            it.worker.send(StatusReport(number=await it.worker.requests.get()), STATUS.head())
        assert not it.running.done()
        it.worker.die(-6)
        assert await it.running == Death("SIGABRT")

    run_async(story)


@pytest.mark.usefixtures("short_timeouts")
def test_a_worker_that_stays_without_a_connection_is_killed() -> None:
    async def story() -> None:
        it = LinkScenario(leaves=False)
        it.link.close()
        assert await it.running == UNENDED
        assert it.worker.kills == 1

    run_async(story)


def _no_json(worker: Worker) -> None:
    worker.channel.send(b"\xff")


def _other_side(worker: Worker) -> None:
    worker.channel.send(b'{"kind":"cancel","number":1}')


def _no_status(worker: Worker) -> None:
    worker.send(StatusReport(number=1), b"{}")


def _negative(worker: Worker) -> None:
    worker.channel.send(b'{"kind":"answered","number":-1}')


@pytest.mark.parametrize("send", [_no_json, _other_side, _no_status, _negative])
def test_an_invalid_message_kills_the_worker(
    send: Callable[[Worker], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        it = LinkScenario(leaves=False)
        send(it.worker)
        assert await it.running == MALFORMED
        assert it.worker.kills == 1

    run_async(story)
    assert "it sent an invalid message" in caplog.text


def test_an_invalid_packet_ends_the_worker() -> None:
    async def story() -> None:
        it = LinkScenario()
        it.worker.channel._connection.send(PREFIX.pack(2**50))
        assert (await it.running).cause == "exit status 0"

    run_async(story)
