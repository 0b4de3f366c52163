"""Thread pools and groups of tasks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.recognition.compute.threads import InlineExecutor, run_all, start_pool


def test_all_threads_run_from_the_start() -> None:
    before = threading.active_count()
    pool = start_pool(5, "test")
    assert threading.active_count() == before + 5
    pool.shutdown()


def test_a_refused_thread_is_an_error_and_the_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading.Thread.start, iter(range(2))

    def starved(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = set(threading.enumerate())
    monkeypatch.setattr(threading.Thread, "start", starved)
    with pytest.raises(RuntimeError, match=r"3 threads cannot be started .*GUNICORN_WORKERS"):
        start_pool(3, "test")
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_results_are_in_the_order_of_the_items() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert run_all(pool, lambda number: number * number, range(20)) == [n * n for n in range(20)]


def test_no_task_is_running_after_one_has_failed() -> None:
    gate, both = threading.Event(), threading.Barrier(2)
    ended: list[int] = []

    def task(number: int) -> None:
        both.wait(30)
        if number == 0:
            raise MemoryError
        assert gate.wait(30)
        ended.append(number)

    with ThreadPoolExecutor(2) as pool:
        opener = threading.Timer(0.2, gate.set)
        opener.start()
        with pytest.raises(MemoryError):
            run_all(pool, task, range(2))
        assert ended == [1]
        opener.join()


def test_the_inline_executor_raises_as_a_pool_does() -> None:
    def task(number: int) -> float:
        return 1 / number

    assert run_all(InlineExecutor(), task, [1, 2]) == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        run_all(InlineExecutor(), task, [1, 0])
