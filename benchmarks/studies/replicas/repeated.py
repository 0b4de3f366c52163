"""A piece of work in a thread, at an interval, beside the calls of a study."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def repeated(work: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do the work at this interval until the end of the context. An exception ends the work; the context raises it."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            work()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            yield
        finally:
            over.set()
        running.result()
