import asyncio
import gc
import threading
import weakref

import pytest

from service.queue import CallerGone, Queue, TookTooLong, while_caller_waits
from tests.unit.service.stories import run


def queue_of(workers: int, *, memory: int = 0, seconds: float = 0) -> Queue:
    return Queue(workers, memory, seconds)


def never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def test_results_and_exceptions_reach_the_one_who_waits() -> None:
    async def story() -> None:
        queue = queue_of(2)
        assert await while_caller_waits(queue.run(lambda: 7), never()) == 7
        with pytest.raises(ZeroDivisionError):
            await while_caller_waits(queue.run(lambda: 1 // 0), never())
        queue.close()

    run(story)


def test_never_more_at_once_than_workers_and_all_get_their_turn() -> None:
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

        await asyncio.gather(*(queue.run(work) for _ in range(12)))
        assert most == 3
        queue.close()

    run(story)


def test_a_caller_that_hangs_up_while_it_waits_costs_nothing() -> None:
    async def story() -> None:
        queue = queue_of(1)
        gate = threading.Event()
        first = asyncio.create_task(queue.run(lambda: gate.wait(30)))
        ran: list[str] = []
        hung_up = never()
        gone = asyncio.create_task(while_caller_waits(queue.run(lambda: ran.append("gone")), hung_up))
        patient = asyncio.create_task(while_caller_waits(queue.run(lambda: ran.append("patient")), never()))
        await asyncio.sleep(0)
        hung_up.set_result(None)
        with pytest.raises(CallerGone):
            await gone
        gate.set()
        await asyncio.gather(first, patient)
        assert ran == ["patient"]
        queue.close()

    run(story)


def test_an_abandoned_photo_keeps_its_place_until_its_thread_ends() -> None:
    async def story() -> None:
        queue = queue_of(1, seconds=0.01)
        gate = threading.Event()
        order: list[str] = []

        def slow() -> None:
            gate.wait(30)
            order.append("abandoned")

        with pytest.raises(TookTooLong, match="REQ_TIMEOUT"):
            await while_caller_waits(queue.run(slow), never())
        following = asyncio.create_task(queue.run(lambda: order.append("following")))
        await asyncio.sleep(0.05)
        assert order == []
        gate.set()
        await following
        assert order == ["abandoned", "following"]
        queue.close()

    run(story)


def test_who_hangs_up_behind_an_abandoned_photo_frees_its_upload_at_once() -> None:
    class Upload:
        """Bytes cannot be watched."""

    async def story() -> None:
        queue = queue_of(1, seconds=0.01)
        gate = threading.Event()
        with pytest.raises(TookTooLong):
            await while_caller_waits(queue.run(lambda: gate.wait(30)), never())
        upload = Upload()
        watched = weakref.ref(upload)
        waiting = asyncio.create_task(queue.run(lambda upload=upload: upload))  # type: ignore[misc]
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting, upload
        gc.collect()
        assert watched() is None
        gate.set()
        queue.close()

    run(story)


def test_waiting_for_a_turn_does_not_count() -> None:
    async def story() -> None:
        queue = queue_of(1, seconds=0.2)
        gate = threading.Event()
        first = asyncio.create_task(queue.run(lambda: gate.wait(30)))
        second = asyncio.create_task(queue.run(lambda: "answered"))
        with pytest.raises(TookTooLong):
            await first
        await asyncio.sleep(0.3)  # longer than the limit, and still waiting for the only thread
        assert not second.done()
        gate.set()
        assert await second == "answered"
        queue.close()

    run(story)


def test_photos_wait_for_memory_and_keep_it_until_their_thread_ends() -> None:
    async def story() -> None:
        queue = queue_of(3, memory=100, seconds=0.01)
        gate = threading.Event()
        ran: list[str] = []

        def slow() -> None:
            gate.wait(30)
            ran.append("abandoned")

        with pytest.raises(TookTooLong):
            await queue.run(slow, 80)
        large = asyncio.create_task(queue.run(lambda: ran.append("large"), 30))
        await asyncio.sleep(0.05)
        assert (ran, queue.memory.lent, queue.memory.waiting) == ([], 80, 1)
        gate.set()
        await large
        assert ran == ["abandoned", "large"]
        assert (queue.memory.lent, queue.places.lent) == (0, 0)
        queue.close()

    run(story)


def test_who_leaves_while_waiting_for_memory_gives_its_place_back() -> None:
    async def story() -> None:
        queue = queue_of(2, memory=100)
        gate = threading.Event()
        first = asyncio.create_task(queue.run(lambda: gate.wait(30), 100))
        await asyncio.sleep(0)
        gone = asyncio.create_task(queue.run(lambda: None, 1))
        await asyncio.sleep(0)
        assert (queue.places.lent, queue.memory.waiting) == (2, 1)
        gone.cancel()
        await asyncio.wait([gone])
        assert (queue.places.lent, queue.memory.waiting) == (1, 0)
        gate.set()
        await first
        queue.close()

    run(story)


@pytest.mark.parametrize("outcome", ["done", "failed", "abandoned"])
def test_what_a_photo_leaves_behind_stays_lent(outcome: str) -> None:
    async def story() -> None:
        queue = queue_of(1, memory=100, seconds=0.01 if outcome == "abandoned" else 0)
        gate = threading.Event()

        def work() -> None:
            assert outcome == "done" or gate.wait(30)
            assert outcome != "failed"

        running = asyncio.create_task(queue.run(work, 80, lambda: 30))
        following = asyncio.create_task(queue.run(lambda: queue.memory.lent, 70))
        if outcome == "abandoned":
            with pytest.raises(TookTooLong):
                await running
        gate.set()
        assert await following == 100
        if outcome == "failed":
            with pytest.raises(AssertionError):
                await running
        assert (queue.memory.lent, queue.places.lent) == (30, 0)
        queue.close()

    run(story)


def test_every_thread_runs_before_the_first_photo() -> None:
    before = threading.active_count()
    queue = queue_of(5)
    try:
        assert threading.active_count() == before + 5
    finally:
        queue.close()
