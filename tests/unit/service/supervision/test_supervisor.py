from __future__ import annotations

import asyncio
import time

import pytest

from service.messages import CannotStart, StatusReport, WorkerStatus
from service.supervision import (
    Job,
    NeverReady,
    NotReady,
    Refused,
    Supervisor,
    WorkerProcess,
    link,
    supervisor,
)
from service.supervision.link import Link
from service.supervision.supervisor import MAXIMUM_BLAMED, MAXIMUM_FAILED_STARTS
from tests.unit.service.stories import run, settle
from tests.unit.service.supervision.peer import Worker


class Story:
    """A supervisor, and the workers that it starts."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.starts: list[float] = []
        self.error: OSError | None = None
        """What the next starts fail with."""
        self.workers: asyncio.Queue[Worker] = asyncio.Queue()
        self.supervisor = Supervisor(self._launch, self.failures.append)
        self.supervisor.start()

    async def worker(self, *, warm: bool = True) -> Worker:
        """The next worker."""
        worker = await self.workers.get()
        if warm:
            worker.warm()
            await settle()
        return worker

    def post(self, content: bytes = b"photo") -> asyncio.Task[bytes]:
        job = Job(content, "a", None, known=False, maximum_area=1)
        return asyncio.create_task(self.supervisor.dispatch.answer(job))

    def _launch(self, *, low_memory: bool) -> WorkerProcess:
        self.starts.append(time.monotonic())
        if self.error is not None:
            raise self.error
        worker = Worker(low_memory=low_memory)
        self.workers.put_nowait(worker)
        return worker


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)


def test_readiness_from_start_to_close() -> None:
    async def story() -> None:
        it = Story()
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

    run(story)


def test_a_worker_that_dies_is_replaced_at_once_and_its_photo_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        it = Story()
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

    run(story)
    assert "the worker process died (SIGSEGV); another one is started" in caplog.text


def test_consecutive_failed_starts_end_the_service(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = Story()
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

    run(story)


def test_a_successful_start_resets_the_count() -> None:
    async def story() -> None:
        it = Story()
        for _ in range(2):
            for _ in range(MAXIMUM_FAILED_STARTS - 1):
                (await it.worker(warm=False)).die(-9)
            (await it.worker()).die(-9)
        await it.worker()
        assert it.failures == []
        await it.supervisor.close()

    run(story)


def test_a_first_worker_that_cannot_start_ends_the_service_at_once() -> None:
    async def story() -> None:
        it = Story()
        answer = it.post()
        worker = await it.worker(warm=False)
        worker.send(CannotStart(), b"there is no such device")
        worker.die(1)
        with pytest.raises(NeverReady):
            await answer
        assert it.failures == ["there is no such device"]
        assert len(it.starts) == 1
        await it.supervisor.close()

    run(story)


def test_a_worker_that_cannot_start_later_counts_as_a_failed_start(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        it = Story()
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

    run(story)
    assert "the device is away" in caplog.text


def test_a_process_that_cannot_be_started_is_a_failed_start() -> None:
    async def story() -> None:
        it = Story()
        (await it.worker()).die(-9)
        it.error = OSError(11, "Resource temporarily unavailable")
        await asyncio.sleep(0.015)
        it.error = None
        await it.worker()
        assert it.supervisor.restarts["not started: Resource temporarily unavailable"] >= 1
        await it.supervisor.close()

    run(story)


def test_closing_ends_a_backoff_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 1000)

    async def story() -> None:
        it = Story()
        (await it.worker(warm=False)).die(-9)
        await settle()
        await it.supervisor.close()
        assert len(it.starts) == 1

    run(story)


def test_closing_ends_a_starting_worker() -> None:
    async def story() -> None:
        it = Story()
        worker = await it.worker(warm=False)
        await it.supervisor.close()
        assert worker.closed.is_set()
        assert it.failures == []

    run(story)


def test_a_stuck_worker_does_not_hold_up_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(link, "CLOSING_SECONDS", 0.05)

    async def story() -> None:
        it = Story()
        worker = await it.worker()
        worker._leaves = False
        await worker.requests.get()
        await it.supervisor.close()
        assert worker.kills == 1

    run(story)


def test_out_of_memory_retries_a_photo_in_a_low_memory_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.supervision.link.oom_kills", lambda: None)
    monkeypatch.setattr("service.supervision.deaths.oom_kills", lambda: None)

    async def story() -> None:
        it = Story()
        large, small = it.post(b"large"), it.post(b"small")
        sizes: list[bool] = []
        for _ in range(3):
            worker = await it.worker()
            sizes.append(worker.low_memory)
            await worker.photo()
            worker.die(-9)
        with pytest.raises(Refused) as refused:
            await large
        assert refused.value.status == 503
        worker = await it.worker()
        sizes.append(worker.low_memory)
        worker.answer(await worker.photo(), b"{}")
        assert await small == b"{}"
        assert sizes == [False, False, True, False]
        assert it.supervisor.restarts == {"out of memory": 3}
        await it.supervisor.close()

    run(story)


def test_a_low_memory_worker_is_replaced_after_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.supervision.link.oom_kills", lambda: None)
    monkeypatch.setattr("service.supervision.deaths.oom_kills", lambda: None)

    async def story() -> None:
        it = Story()
        large = it.post(b"large")
        for _ in range(2):
            worker = await it.worker()
            await worker.photo()
            worker.die(-9)
        restricted = await it.worker()
        restricted.answer(await restricted.photo(), b"{}")
        await large
        worker = await it.worker()
        assert (restricted.low_memory, worker.low_memory) == (True, False)
        assert restricted.closed.is_set()
        assert it.supervisor.restarts.total() == 2  # a replacement is no death
        later = it.post()
        worker.answer(await worker.photo(), b"{}")
        await later
        worker.die(-11)  # and counts again
        await it.worker()
        assert it.supervisor.restarts["SIGSEGV"] == 1
        await it.supervisor.close()

    run(story)


def test_status_falls_back_to_the_last_known_one() -> None:
    async def story() -> None:
        it = Story()
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

    run(story)


def test_supervision_that_fails_ends_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_: Link) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Link, "run", failing)

    async def story() -> None:
        it = Story()
        with pytest.raises(NeverReady):
            await it.post()
        assert len(it.failures) == 1
        assert "can't start new thread" in it.failures[0]
        await it.supervisor.close()

    run(story)
    assert "the supervision of the worker process failed" in caplog.text


def test_photos_of_many_callers_survive_many_deaths() -> None:
    """Each worker answers some photos and is killed; each photo is answered by itself, and none twice."""

    async def story() -> None:
        it = Story()
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

    run(story)


def test_consecutive_blamed_photos_end_the_service() -> None:
    async def refused(it: Story) -> None:
        photo = it.post()
        for _ in range(2):
            worker = await it.worker()
            await worker.photo()
            worker.die(-11)
        with pytest.raises(Refused):
            await photo

    async def story() -> None:
        it = Story()
        for _ in range(MAXIMUM_BLAMED - 1):
            await refused(it)
        answered = it.post()
        worker = await it.worker()
        worker.answer(await worker.photo())
        await answered
        worker.die(-9)  # by another process: nothing is in work
        for _ in range(MAXIMUM_BLAMED):
            assert it.failures == []
            await refused(it)
        await settle()
        assert it.failures == ["5 photos in a row ended the worker process twice each (SIGSEGV)"]
        with pytest.raises(NeverReady):
            await it.supervisor.networks_loaded()

    run(story)


def test_a_death_without_a_photo_counts_as_a_failed_start() -> None:
    async def story() -> None:
        it = Story()
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

    run(story)


def test_a_worker_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        it = Story()
        worker = await it.worker()
        asking = asyncio.create_task(it.supervisor.check_answering())
        report = WorkerStatus(metrics="", stages=None, restrictions={})
        worker.send(StatusReport(number=await worker.requests.get()), report.head())
        await asking
        monkeypatch.setattr(link.Link.status, "__defaults__", (0.01,))
        with pytest.raises(NotReady):
            await it.supervisor.check_answering()
        await it.supervisor.close()

    run(story)
