"""Arrays that are used anew for every photo: memory that the system gives costs a page fault for every page of it."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

KEPT = 24 << 20
"""Floats that are kept, 100 MB: what two photos of 1.3 megapixels need, or one of 2.6."""


class Scratch(Generic[Number]):
    """Lends arrays, and keeps what comes back, up to a limit. Safe to use from many threads.

    Args:
        new: makes an array of so many numbers, with anything in them.
        kept: how many numbers are kept.
    """

    def __init__(self, new: Callable[[int], NDArray[Number]], kept: int) -> None:
        self._new = new
        self._most = kept
        self._kept: list[NDArray[Number]] = []
        self._changing = threading.Lock()

    @contextmanager
    def lent(self, shape: tuple[int, ...]) -> Iterator[NDArray[Number]]:
        """An array of this shape with anything in it, until the end of the `with` block."""
        count = math.prod(shape)
        array = self._take(count)
        try:
            yield array[:count].reshape(shape)
        finally:
            self._keep(array)

    def _take(self, count: int) -> NDArray[Number]:
        """The smallest array that is kept and large enough, or a new one."""
        with self._changing:
            fitting = [number for number, kept in enumerate(self._kept) if len(kept) >= count]
            if fitting:
                return self._kept.pop(min(fitting, key=lambda number: len(self._kept[number])))
        return self._new(count)

    def _keep(self, array: NDArray[Number]) -> None:
        if len(array) > self._most:
            return
        dropped = []  # outside of the lock: to give memory back can take a while
        with self._changing:
            self._kept.append(array)
            while sum(map(len, self._kept)) > self._most:
                dropped.append(self._kept.pop(0))  # what was needed the longest ago


def floats() -> Scratch[np.float32]:
    """What the levels of photos are made in."""
    return Scratch(lambda count: np.empty(count, np.float32), KEPT)
