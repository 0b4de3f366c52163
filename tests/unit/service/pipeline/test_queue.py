import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

import pytest

from service.pipeline.queue import Queue, TimeLimitExceeded
from tests.unit.service.coroutines import run_async

Result = TypeVar("Result")


def queue_of(workers: int, *, memory: int = 0, seconds: float = 0) -> Queue:
    return Queue(workers, memory, seconds)


async def in_place(
    queue: Queue, work: Callable[[], Result], needed: int = 0, keep: Callable[[], int] | None = None
) -> Result:
    """Blocking work in the queue."""
    return await queue.run(lambda: queue.in_thread(work), needed, keep)


def test_results_and_exceptions_reach_their_caller() -> None:
    async def story() -> None:
        queue = queue_of(2)
        assert await in_place(queue, lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await in_place(queue, lambda: 1 // 0)
        queue.close()

    run_async(story)


def test_concurrency_is_bounded_and_all_work_runs() -> None:
    async def story() -> None:
        queue = queue_of(3)
        lock = threading.Lock()
        running = most = 0
        full = threading.Barrier(3)

        def work() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            full.wait(30)
            with lock:
                running -= 1

        await asyncio.gather(*(in_place(queue, work) for _ in range(12)))
        assert most == 3
        queue.close()

    run_async(story)


def test_work_cancelled_while_waiting_never_runs() -> None:
    async def story() -> None:
        queue = queue_of(1)
        gate = threading.Event()
        first = asyncio.create_task(in_place(queue, lambda: gate.wait(30)))
        ran: list[str] = []
        gone = asyncio.create_task(in_place(queue, lambda: ran.append("gone")))
        patient = asyncio.create_task(in_place(queue, lambda: ran.append("patient")))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        gate.set()
        await asyncio.gather(first, patient)
        assert ran == ["patient"]
        queue.close()

    run_async(story)


def test_an_abandoned_photo_keeps_its_place_until_its_thread_ends() -> None:
    async def story() -> None:
        queue = queue_of(1, seconds=0.01)
        gate = threading.Event()
        order: list[str] = []

        def slow() -> None:
            gate.wait(30)
            order.append("abandoned")

        with pytest.raises(TimeLimitExceeded, match="REQ_TIMEOUT"):
            await in_place(queue, slow)
        following = asyncio.create_task(in_place(queue, lambda: order.append("following")))
        await asyncio.sleep(0.05)
        assert order == []
        gate.set()
        await following
        assert order == ["abandoned", "following"]
        queue.close()

    run_async(story)


def test_a_caller_that_hangs_up_behind_an_abandoned_photo_frees_its_upload_at_once() -> None:
    class Upload:
        """Bytes cannot be watched."""

    async def story() -> None:
        queue = queue_of(1, seconds=0.01)
        gate = threading.Event()
        with pytest.raises(TimeLimitExceeded):
            await in_place(queue, lambda: gate.wait(30))
        upload = Upload()
        watched = weakref.ref(upload)
        waiting = asyncio.create_task(in_place(queue, lambda upload=upload: upload))  # type: ignore[misc]
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting, upload
        gc.collect()
        assert watched() is None
        gate.set()
        queue.close()

    run_async(story)


def test_the_time_limit_excludes_waiting_for_a_place() -> None:
    async def story() -> None:
        queue = queue_of(1, seconds=0.2)
        gate = threading.Event()
        first = asyncio.create_task(in_place(queue, lambda: gate.wait(30)))
        second = asyncio.create_task(in_place(queue, lambda: "answered"))
        with pytest.raises(TimeLimitExceeded):
            await first
        await asyncio.sleep(0.3)  # longer than the limit, and still waiting for the only thread
        assert not second.done()
        gate.set()
        assert await second == "answered"
        queue.close()

    run_async(story)


def test_photos_wait_for_memory_and_keep_it_until_their_thread_ends() -> None:
    async def story() -> None:
        queue = queue_of(3, memory=100, seconds=0.01)
        gate = threading.Event()
        ran: list[str] = []

        def slow() -> None:
            gate.wait(30)
            ran.append("abandoned")

        with pytest.raises(TimeLimitExceeded):
            await in_place(queue, slow, 80)
        large = asyncio.create_task(in_place(queue, lambda: ran.append("large"), 30))
        await asyncio.sleep(0.05)
        assert (ran, queue.memory.granted, queue.memory.waiting) == ([], 80, 1)
        gate.set()
        await large
        assert ran == ["abandoned", "large"]
        assert (queue.memory.granted, queue.places.granted) == (0, 0)
        queue.close()

    run_async(story)


def test_a_request_cancelled_while_waiting_for_memory_releases_its_place() -> None:
    async def story() -> None:
        queue = queue_of(2, memory=100)
        gate = threading.Event()
        first = asyncio.create_task(in_place(queue, lambda: gate.wait(30), 100))
        await asyncio.sleep(0)
        gone = asyncio.create_task(in_place(queue, lambda: None, 1))
        await asyncio.sleep(0)
        assert (queue.places.granted, queue.memory.waiting) == (2, 1)
        gone.cancel()
        await asyncio.wait([gone])
        assert (queue.places.granted, queue.memory.waiting) == (1, 0)
        gate.set()
        await first
        queue.close()

    run_async(story)


@pytest.mark.parametrize("outcome", ["done", "failed", "abandoned"])
def test_kept_bytes_stay_granted(outcome: str) -> None:
    async def story() -> None:
        queue = queue_of(1, memory=100, seconds=0.01 if outcome == "abandoned" else 0)
        gate = threading.Event()

        def work() -> None:
            assert outcome == "done" or gate.wait(30)
            assert outcome != "failed"

        running = asyncio.create_task(in_place(queue, work, 80, lambda: 30))
        following = asyncio.create_task(in_place(queue, lambda: queue.memory.granted, 70))
        if outcome == "abandoned":
            with pytest.raises(TimeLimitExceeded):
                await running
        gate.set()
        assert await following == 100
        if outcome == "failed":
            with pytest.raises(AssertionError):
                await running
        assert (queue.memory.granted, queue.places.granted) == (30, 0)
        queue.close()

    run_async(story)


def test_work_cancelled_between_threads_stops() -> None:
    async def story() -> None:
        queue = queue_of(1, memory=10)
        begun, order = asyncio.Event(), list[str]()

        async def work() -> None:
            begun.set()
            await asyncio.sleep(30)
            order.append("too far")

        running = asyncio.create_task(queue.run(work, 10))
        await begun.wait()
        running.cancel()
        await asyncio.wait([running])
        await queue.run(lambda: queue.in_thread(lambda: order.append("next")), 10)
        assert (order, queue.memory.granted) == (["next"], 0)
        queue.close()

    run_async(story)


def test_every_thread_runs_before_the_first_photo() -> None:
    before = threading.active_count()
    queue = queue_of(5)
    try:
        assert threading.active_count() == before + 5
    finally:
        queue.close()
