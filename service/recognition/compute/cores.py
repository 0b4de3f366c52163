"""Division of the cores among concurrent photos: a single photo gets all cores, many photos get one core each.

Threads that compute one photo together wait for each other many times a second; threads with one photo each never wait.
On two cores, two photos on one core each take a quarter less time than one after the other on both cores
(benchmarks.throughput).
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

from service.recognition.compute.core_count import computing_cores
from service.recognition.compute.threads import InlineExecutor, bands, run_all, start_pool

Result = TypeVar("Result")


class Cores:
    """The cores of this process, and the threads that use them. Safe to use from many threads.

    Args:
        threads: cores of every photo, for any number of concurrent photos; 0 for a share of all cores.

    Attributes:
        total: number of cores that can be acquired at the same time.
        widths: numbers of cores that a run can acquire, in ascending order: each is half of the next.
    """

    def __init__(self, threads: int = 0) -> None:
        self.total = max(computing_cores(), threads)
        self.widths = (threads,) if threads else _halves(self.total)
        self._photos = 0
        self._free = self.total
        self._released = threading.Condition()
        self._inline = InlineExecutor()
        self._pool = self._inline if self.widths == (1,) else start_pool(self.total, "stage")

    @property
    def share(self) -> int:
        """Number of cores for each of the photos that are computed now."""
        return self._widest(self.total // max(self._photos, 1))

    @contextmanager
    def photo(self) -> Iterator[None]:
        """Count a photo as being computed, for the time of a stage that could use all cores."""
        with self._released:
            self._photos += 1
        try:
            yield
        finally:
            with self._released:
                self._photos -= 1

    @contextmanager
    def acquired(self) -> Iterator[int]:
        """Wait for cores and hold them; yields their number, one of `widths`: a photo's share, or fewer if fewer are
        free."""
        with self._released:
            self._released.wait_for(lambda: self._free >= self.widths[0])
            width = self._widest(min(self.share, self._free))
            self._free -= width
        try:
            yield width
        finally:
            with self._released:
                self._free += width
                self._released.notify_all()

    def executor(self) -> Executor:
        """Executor for the parts of a photo's stage: a thread per core, or the caller's if its share is one core."""
        return self._inline if self.share == 1 else self._pool

    def in_bands(self, compute: Callable[[int, int], Result], size: int, most: int) -> list[Result]:
        """Compute `size` items of a photo in bands, one for each core of the photo: compute(first, end), half-open.

        `most` is the largest number of bands. One band is computed by the caller: quicker than waking another thread.
        """
        number = min(self.share, most)
        if number <= 1:
            return [compute(0, size)]
        return run_all(self.executor(), lambda band: compute(*band), bands(size, number))

    def close(self) -> None:
        """End the threads. Nothing can be computed on them afterwards."""
        self._pool.shutdown()

    def _widest(self, cores: int) -> int:
        """The largest width of at most `cores`, or else the smallest width."""
        return max((width for width in self.widths if width <= cores), default=self.widths[0])


def _halves(cores: int) -> tuple[int, ...]:
    """All cores, half of them, and so on down to one, in ascending order."""
    return (*_halves(cores // 2), cores) if cores > 1 else (1,)
