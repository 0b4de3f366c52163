"""Scratch arrays that photos reuse: each page of new memory costs a page fault."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.recognition.memory import SCRATCH_KEPT

Number = TypeVar("Number", bound=np.generic)


class ScratchPool:
    """A pool of arrays, which keeps released arrays up to a limit. Safe to use from many threads.

    Args:
        allocate: makes an array of that many bytes, uninitialised.
        limit: total bytes of the arrays that are kept.
    """

    def __init__(self, allocate: Callable[[int], NDArray[np.uint8]], limit: int) -> None:
        self._allocate = allocate
        self._limit = limit
        self._kept: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    @contextmanager
    def acquired(self, shape: tuple[int, ...], dtype: type[Number]) -> Iterator[NDArray[Number]]:
        """An uninitialised array of this shape and type, until the end of the `with` block."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        array = self._take(size)
        try:
            yield array[:size].view(dtype).reshape(shape)
        finally:
            self._keep(array)

    def _take(self, size: int) -> NDArray[np.uint8]:
        """The smallest kept array that is large enough, or a new one."""
        with self._lock:
            fitting = [number for number, kept in enumerate(self._kept) if len(kept) >= size]
            if fitting:
                return self._kept.pop(min(fitting, key=lambda number: len(self._kept[number])))
        return self._allocate(size)

    def _keep(self, array: NDArray[np.uint8]) -> None:
        if len(array) > self._limit:
            return
        dropped = []  # freed outside of the lock, since that can take a while
        with self._lock:
            self._kept.append(array)
            while sum(map(len, self._kept)) > self._limit:
                dropped.append(self._kept.pop(0))  # the one released longest ago


POOL = ScratchPool(lambda size: np.empty(size, np.uint8), SCRATCH_KEPT)
"""The pool of this process: for the CNN's pyramid and float32 tiles, and for the pyramid of HOG's confirmation."""
