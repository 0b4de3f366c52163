"""Pools of scratch arrays that photos reuse: each page of new memory costs a page fault."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

SCRATCH_FLOATS = 24 << 20
"""Number of float32 values that a pool keeps, 100 MB: the need of two photos of 1.3 megapixels, or one of 2.6."""


class ScratchPool(Generic[Number]):
    """A pool of arrays, which keeps released arrays up to a limit. Safe to use from many threads.

    Args:
        allocate: makes an array of that many numbers, uninitialised.
        limit: total numbers of the arrays that are kept.
    """

    def __init__(self, allocate: Callable[[int], NDArray[Number]], limit: int) -> None:
        self._allocate = allocate
        self._limit = limit
        self._kept: list[NDArray[Number]] = []
        self._lock = threading.Lock()

    @contextmanager
    def acquired(self, shape: tuple[int, ...]) -> Iterator[NDArray[Number]]:
        """An uninitialised array of this shape, until the end of the `with` block."""
        count = math.prod(shape)
        array = self._take(count)
        try:
            yield array[:count].reshape(shape)
        finally:
            self._keep(array)

    def _take(self, count: int) -> NDArray[Number]:
        """The smallest kept array that is large enough, or a new one."""
        with self._lock:
            fitting = [number for number, kept in enumerate(self._kept) if len(kept) >= count]
            if fitting:
                return self._kept.pop(min(fitting, key=lambda number: len(self._kept[number])))
        return self._allocate(count)

    def _keep(self, array: NDArray[Number]) -> None:
        if len(array) > self._limit:
            return
        dropped = []  # freed outside of the lock, since that can take a while
        with self._lock:
            self._kept.append(array)
            while sum(map(len, self._kept)) > self._limit:
                dropped.append(self._kept.pop(0))  # the one released longest ago


def float_pool() -> ScratchPool[np.float32]:
    """A pool for the levels of photos."""
    return ScratchPool(lambda count: np.empty(count, np.float32), SCRATCH_FLOATS)
