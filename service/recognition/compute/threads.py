"""Thread pools whose threads are all started in advance, and groups of tasks that end together."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import ParamSpec, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class InlineExecutor(Executor):
    """An executor that runs each task at once in the submitting thread: for photos of one core each."""

    def submit(
        self, task: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        done = Future[Result]()
        try:
            done.set_result(task(*args, **kwargs))
        except Exception as error:  # raised by Future.result, as with a pool's thread
            done.set_exception(error)
        return done


def start_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Start a thread pool with all of its threads: a start that fails later, for lack of memory, would fail a photo.

    Raises:
        RuntimeError: the system refuses that many threads. One line: what to do.
    """
    pool = ThreadPoolExecutor(threads, name)
    all_started = threading.Barrier(threads)
    try:
        for _ in range(threads):
            pool.submit(all_started.wait)
    except RuntimeError as error:
        all_started.abort()  # else the started threads and the process's exit wait for ever
        pool.shutdown(wait=False)
        raise RuntimeError(
            f"{threads} threads cannot be started ({error}): lower GUNICORN_WORKERS, or set FACE_THREADS to 1, or let "
            "this user or container have more processes"
        ) from error
    return pool


def bands(size: int, number: int) -> list[tuple[int, int]]:
    """Divide `size` items into bands of nearly equal size: (first, end) of each, half-open."""
    edges = [size * band // number for band in range(number + 1)]
    return list(pairwise(edges))


def run_all(pool: Executor, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Run a task on all items and return its results in their order; no task still runs when this returns or raises.

    A task still running would write into memory that its photo has released.
    """
    running: list[Future[Result]] = []
    try:
        running.extend(pool.submit(task, item) for item in items)
    finally:  # also if the pool takes no more tasks
        done = results(running)
    return done


def results(running: Iterable[Future[Result]]) -> list[Result]:
    """The results of futures, or the first exception; in both cases all of them have ended."""
    futures = list(running)
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
