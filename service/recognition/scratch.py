"""Arrays that are used anew for every photo: memory that the system gives costs a page fault for every page of it."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

KEPT = 24 << 20
"""Floats that are kept, 100 MB: what two photos of 1.3 megapixels need, or one of 2.6."""


class Scratch:
    """Lends arrays, and keeps what comes back, up to a limit. Safe to use from many threads."""

    def __init__(self) -> None:
        self._kept: list[NDArray[np.float32]] = []
        self._changing = threading.Lock()

    @contextmanager
    def floats(self, shape: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
        """A float32 array of this shape with anything in it, until the end of the `with` block."""
        count = math.prod(shape)
        array = self._take(count)
        try:
            yield array[:count].reshape(shape)
        finally:
            self._keep(array)

    def _take(self, count: int) -> NDArray[np.float32]:
        """The smallest array that is kept and large enough, or a new one."""
        with self._changing:
            fitting = [number for number, kept in enumerate(self._kept) if len(kept) >= count]
            if fitting:
                return self._kept.pop(min(fitting, key=lambda number: len(self._kept[number])))
        return np.empty(count, np.float32)

    def _keep(self, array: NDArray[np.float32]) -> None:
        if len(array) > KEPT:
            return
        with self._changing:
            self._kept.append(array)
            while sum(map(len, self._kept)) > KEPT:
                del self._kept[0]  # what was needed the longest ago
