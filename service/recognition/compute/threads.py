"""Threads that are all there from the start, and tasks that are all over in the end."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import ParamSpec, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Inline(Executor):
    """Runs what is submitted at once, in the thread that submits it: for photos of one core each."""

    def submit(
        self, task: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        done = Future[Result]()
        try:
            done.set_result(task(*args, **kwargs))
        except Exception as error:  # the future's to raise, as from a pool's thread
            done.set_exception(error)
        return done


def started(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool whose threads all run: one that had to be started later, when memory is short, would fail its photo.

    Raises:
        RuntimeError: the system does not give so many threads. One line: what to do.
    """
    pool = ThreadPoolExecutor(threads, name)
    all_there = threading.Barrier(threads)
    try:
        for _ in range(threads):
            pool.submit(all_there.wait)
    except RuntimeError as error:
        all_there.abort()  # the others would wait for ever, and the end of the process for them
        pool.shutdown(wait=False)
        raise RuntimeError(
            f"{threads} threads cannot be started ({error}): lower GUNICORN_WORKERS, or set FACE_THREADS to 1, or let "
            "this user or container have more processes"
        ) from error
    return pool


def run_all(pool: Executor, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The task's results, in the order of the items; when this returns or raises, none of them is still running.

    A task that went on would write into memory that its photo has given back.
    """
    return results([pool.submit(task, item) for item in items])


def results(running: Iterable[Future[Result]]) -> list[Result]:
    """What was submitted has given, or the first exception; in both cases all of it is over."""
    futures = list(running)
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
