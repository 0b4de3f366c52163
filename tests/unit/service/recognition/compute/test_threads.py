import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.recognition.compute.threads import Inline, run_all, started


def test_all_threads_run_before_there_is_work() -> None:
    before = threading.active_count()
    pool = started(5, "test")
    assert threading.active_count() == before + 5
    pool.shutdown()


def test_a_system_without_threads_is_said_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading.Thread.start, iter(range(2))

    def starved(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = set(threading.enumerate())
    monkeypatch.setattr(threading.Thread, "start", starved)
    with pytest.raises(RuntimeError, match=r"3 threads cannot be started .*GUNICORN_WORKERS"):
        started(3, "test")
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_the_results_are_in_order() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert run_all(pool, lambda number: number * number, range(20)) == [n * n for n in range(20)]


def test_nothing_runs_on_when_one_task_has_failed() -> None:
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


def test_a_task_in_line_fails_as_one_of_a_pool_does() -> None:
    def task(number: int) -> float:
        return 1 / number

    assert run_all(Inline(), task, [1, 2]) == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        run_all(Inline(), task, [1, 0])
