"""The peak of a process tree's memory by samples."""

import threading

from benchmarks.processes import family, resident_memory
from benchmarks.shared_pages import shared_memory

SAMPLED = 0.02
"""Seconds between two samples. One takes 0.2 to 0.4 ms; to find the pages that processes share takes 8 ms a process."""


class SampledPeak:
    """The largest of the samples that a thread takes between entering and leaving.

    Each sample is the sum of the resident sets. The pages that processes share are subtracted once, as they are at
    the end: a lower bound, as far as peaks between two samples are missed and processes have ended before.
    `processes.peak_memory` is an upper bound.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._largest = 0.0
        self._over = threading.Event()
        self._sampling = threading.Thread(target=self._sample)
        self.peak = 0.0
        """MiB, once it is left."""

    def __enter__(self) -> "SampledPeak":
        self._sampling.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampling.join()
        self.peak = self._largest - shared_memory(family(self._process))

    def _sample(self) -> None:
        while not self._over.wait(SAMPLED):
            self._largest = max(self._largest, resident_memory(self._process, shared=0.0))
