"""Batches of the calls of many threads: which calls share a run, and that each call ends."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service.recognition.compute.batching import Batcher

LONG = 30
"""Seconds of a timeout that a correct batcher never reaches."""


class Device:
    """Negates numbers, one batch each time the test allows it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.allowed = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.entered.release()
        assert self.allowed.acquire(timeout=LONG)
        return [-item for item in batch]


def _when_waiting(batcher: Batcher[int, int], count: int) -> None:
    deadline = time.monotonic() + LONG
    while len(batcher._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _gathered(
    items: Sequence[int], batcher: Batcher[int, int], device: Device
) -> tuple[list[list[int]], list[int]]:
    """The batches of calls made in this order while the device is busy with a 0, and their results."""
    with ThreadPoolExecutor(len(items) + 1) as callers:
        first = callers.submit(batcher, 0)
        assert device.entered.acquire(timeout=LONG)
        calls: list[Future[int]] = []
        for number, item in enumerate(items, start=1):
            calls.append(callers.submit(batcher, item))
            _when_waiting(batcher, number)
        device.allowed.release(len(items) + 1)
        results = [call.result(LONG) for call in calls]
        assert first.result(LONG) == 0
    return device.batches[1:], results


def test_an_idle_device_runs_a_call_at_once() -> None:
    batcher = Batcher[int, int](lambda batch: [-item for item in batch], budget=10, cost=lambda _: 1)
    assert [batcher(item) for item in (3, 4)] == [-3, -4]


def test_a_busy_device_gathers() -> None:
    device = Device()
    batcher = Batcher(device, budget=10, cost=lambda _: 1)
    assert _gathered([1, 2, 3], batcher, device) == ([[1, 2, 3]], [-1, -2, -3])


def test_a_batch_keeps_to_its_budget_and_a_costlier_item_runs_alone() -> None:
    device = Device()
    batcher = Batcher(device, budget=5, cost=lambda item: item)
    batches, results = _gathered([3, 4, 2, 9, 1], batcher, device)
    assert batches == [[3, 2], [4, 1], [9]]
    assert results == [-3, -4, -2, -9, -1]


def test_only_equal_kinds_share_a_batch_and_the_longest_waiting_runs_first() -> None:
    device = Device()
    batcher = Batcher(device, budget=10, cost=lambda _: 1, kind=lambda item: item % 2)
    assert _gathered([1, 2, 3, 4], batcher, device) == ([[1, 3], [2, 4]], [-1, -2, -3, -4])


def test_computes_as_many_batches_at_the_same_time_as_runs() -> None:
    device = Device()
    batcher = Batcher(device, budget=10, cost=lambda _: 1, runs=2)
    with ThreadPoolExecutor(2) as callers:
        calls = [callers.submit(batcher, item) for item in (1, 2)]
        for _ in calls:
            assert device.entered.acquire(timeout=LONG)
        device.allowed.release(2)
        assert sorted(call.result(LONG) for call in calls) == [-2, -1]
    assert sorted(device.batches) == [[1], [2]]


def _failing_if(bad: Callable[[Sequence[int]], bool], device: Device) -> Callable[[Sequence[int]], list[int]]:
    def run(batch: Sequence[int]) -> list[int]:
        results = device(batch)
        device.allowed.release()  # for the halves
        if bad(batch):
            raise MemoryError(f"no memory for {len(batch)}")
        return results

    return run


def test_an_item_that_fails_fails_alone() -> None:
    device = Device()
    batcher = Batcher(_failing_if(lambda batch: 3 in batch, device), budget=10, cost=lambda _: 1)
    with ThreadPoolExecutor(5) as callers:
        first = callers.submit(batcher, 0)
        assert device.entered.acquire(timeout=LONG)
        calls = []
        for number, item in enumerate((1, 2, 3, 4), start=1):
            calls.append(callers.submit(batcher, item))
            _when_waiting(batcher, number)
        device.allowed.release()
        assert [calls[index].result(LONG) for index in (0, 1, 3)] == [-1, -2, -4]
        with pytest.raises(MemoryError):
            calls[2].result(LONG)
        assert first.result(LONG) == 0
    assert device.batches == [[0], [1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]


def test_a_batch_too_large_for_the_memory_is_halved() -> None:
    device = Device()
    batcher = Batcher(_failing_if(lambda batch: len(batch) > 2, device), budget=10, cost=lambda _: 1)
    batches, results = _gathered([1, 2, 3, 4, 5], batcher, device)
    assert results == [-1, -2, -3, -4, -5]
    assert batches == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5]]


def test_computes_the_next_call_after_a_failure() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        if batch[0] < 0:
            raise RuntimeError("the device is gone")
        return list(batch)

    batcher = Batcher(run, budget=10, cost=lambda _: 1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            batcher(-1)
        assert batcher(1) == 1


def test_each_of_many_callers_gets_its_own_result() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        time.sleep(0.0005)
        return [-item for item in batch]

    batcher = Batcher(run, budget=7, cost=lambda _: 1, runs=2)
    with ThreadPoolExecutor(32) as callers:
        assert list(callers.map(batcher, range(2000))) == [-item for item in range(2000)]
    sizes = batcher.sizes()
    assert sum(size * count for size, count in sizes.items()) == 2000
    assert 1 < max(sizes) <= 7
    assert not batcher._waiting
