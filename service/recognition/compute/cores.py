"""The cores of this machine, shared out among the photos in work: one alone has them all, of many each has one.

Threads that work on one photo wait for each other many times a second, threads with a photo each never do: with two
cores, two photos at once on one core each are done a quarter sooner than in turns on both (benchmarks.throughput).
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from service.recognition.compute.parallelism import computing_cores
from service.recognition.compute.threads import Inline, started


class Cores:
    """Says what a photo may use, and lends it. Safe to use from many threads.

    Args:
        threads: cores of every photo, however many there are; 0 for its share.

    Attributes:
        total: how many cores are lent at the same time.
        widths: how many a photo may get, in ascending order: each is half of the next.
    """

    def __init__(self, threads: int = 0) -> None:
        self.total = max(computing_cores(), threads)
        self.widths = (threads,) if threads else _halves(self.total)
        self._photos = 0
        self._free = self.total
        self._given_back = threading.Condition()
        self._inline = Inline()
        self._pool = self._inline if self.widths == (1,) else started(self.total, "stage")

    @property
    def share(self) -> int:
        """How many a photo may use, with as many in work as there are now."""
        return self._widest(self.total // max(self._photos, 1))

    @contextmanager
    def photo(self) -> Iterator[None]:
        """While a stage of a photo is computed that could use all cores."""
        with self._given_back:
            self._photos += 1
        try:
            yield
        finally:
            with self._given_back:
                self._photos -= 1

    @contextmanager
    def lent(self) -> Iterator[int]:
        """Waits for cores, and yields how many there are, one of `widths`: a photo's share, or fewer that are free."""
        with self._given_back:
            self._given_back.wait_for(lambda: self._free >= self.widths[0])
            width = self._widest(min(self.share, self._free))
            self._free -= width
        try:
            yield width
        finally:
            with self._given_back:
                self._free += width
                self._given_back.notify_all()

    def executor(self) -> Executor:
        """What computes the parts of a photo's stage: all cores, or the thread that asks where it has but one."""
        return self._inline if self.share == 1 else self._pool

    def close(self) -> None:
        """End the threads. Nothing can be computed on them afterwards."""
        self._pool.shutdown()

    def _widest(self, cores: int) -> int:
        """The largest width of at most so many cores, or the smallest that there is."""
        return max((width for width in self.widths if width <= cores), default=self.widths[0])


def _halves(cores: int) -> tuple[int, ...]:
    """All cores, half of them, and so on down to one, in ascending order."""
    return (*_halves(cores // 2), cores) if cores > 1 else (1,)
