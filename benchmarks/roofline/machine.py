"""What this machine can do at the most, measured: a product of matrices, and memory read and written."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.recognition.compute.core_count import usable_cores

MATRIX = 2048
"""Rows of the matrices: large enough for every BLAS, and 34 MB in all."""
STREAM_BYTES = 1 << 28
"""Of each of the two arrays, all cores together: STREAM asks for four times the last cache at least."""
TRIES = 3
"""The best of them counts: what the machine can do, not what others left of it."""


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of `TRIES` calls."""
    seconds = []
    for _ in range(TRIES):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class MatrixProduct:
    """Float32 matrices through numpy's BLAS, on as many threads as that was loaded with: the cores of the process."""

    def __init__(self) -> None:
        self._matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
        self._product = np.empty_like(self._matrix)

    def measure(self) -> float:
        """Operations a second: 2 n^3 for n rows."""
        return 2 * MATRIX**3 / best(self.multiply)

    def multiply(self) -> None:
        np.matmul(self._matrix, self._matrix, out=self._product)

    def cores_busy(self) -> float:
        """CPU seconds a second of a product: whether the BLAS uses all cores."""
        start, used = time.perf_counter(), time.process_time()
        for _ in range(TRIES):
            self.multiply()
        return (time.process_time() - used) / (time.perf_counter() - start)


class MemoryBandwidth:
    """Copying arrays far larger than the caches, a part on each core: numpy lets go of the GIL meanwhile."""

    def __init__(self) -> None:
        parts = usable_cores()
        length = STREAM_BYTES // parts
        self._parts = [(np.zeros(length, np.uint8), np.ones(length, np.uint8)) for _ in range(parts)]

    def measure(self) -> float:
        """Bytes a second, as STREAM's Copy counts them: each byte once read and once written."""
        with ThreadPoolExecutor(len(self._parts)) as pool:
            copied = sum(target.nbytes for target, _ in self._parts)
            return 2 * copied / best(lambda: list(pool.map(lambda part: np.copyto(*part), self._parts)))
