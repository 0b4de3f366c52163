"""Arrays that are used anew for every photo: memory that the system gives costs a page fault for every page of it."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

KEPT = 16 << 20
"""Floats of an array that is kept, 64 MB: the pyramid of a photo of 3 megapixels, and a few of them."""


class Scratch:
    """Lends arrays, and keeps as many as were ever lent at the same time. Safe to use from many threads."""

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
            if len(array) <= KEPT:
                with self._changing:
                    self._kept.append(array)

    def _take(self, count: int) -> NDArray[np.float32]:
        with self._changing:
            kept = self._kept.pop() if self._kept and count <= KEPT else None
        return kept if kept is not None and len(kept) >= count else np.empty(count, np.float32)
