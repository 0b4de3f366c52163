"""The pixels of a tiled pyramid, row by row as they are needed.

The whole tile of an 8 megapixel photo would take 370 MB. Here only its smaller levels are kept; the first one, which
is the photo, and the gaps are filled in where rows of the tile are asked for.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle
from service.recognition.pyramid import Layout
from service.recognition.resampling import Steps, normalise, resample, steps

ROWS_AT_ONCE = 64
"""Rows of a level that one thread makes before it takes others: few enough to stay in its cache."""

Planes = NDArray[np.float32]
"""Shape (3, rows, columns), RGB, normalised."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Levels:
    """The levels of one photo.

    Args:
        image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
        layout: where the levels of such a photo stand.
        mean: the detector's mean colour, RGB, float32, shape (3,).
        pool: the threads that make them.
    """

    def __init__(
        self, image: NDArray[np.uint8], layout: Layout, mean: NDArray[np.float32], pool: ThreadPoolExecutor
    ) -> None:
        self._image = image
        self._layout = layout
        self._mean = mean
        self._pool = pool
        self._smaller = self._resampled()

    def rows(self, first: int, last: int) -> Planes:
        """Rows `first` to `last` - 1 of the tile: float32, shape (3, last - first, columns), gaps 0."""
        out = np.zeros((3, last - first, self._layout.columns), np.float32)
        self._in_bands(first, last, lambda begin, end: self._fill(out, first, begin, end))
        return out

    def _fill(self, out: Planes, first: int, begin: int, end: int) -> None:
        """Rows `begin` to `end` - 1 of the tile into `out`, which begins with row `first`."""
        photo, *smaller = self._layout.levels
        top, bottom = max(begin, photo.top), min(end, photo.bottom + 1)
        if top < bottom:
            normalise(
                self._image, top - photo.top, bottom - photo.top, self._mean, out, top - first, photo.left
            )
        for level, planes in zip(smaller, self._smaller, strict=True):
            top, bottom = max(begin, level.top), min(end, level.bottom + 1)
            if top < bottom:
                into = out[:, top - first : bottom - first, level.left : level.right + 1]
                into[...] = planes[:, top - level.top : bottom - level.top]

    def _resampled(self) -> list[Planes]:
        made: list[Planes] = []
        for larger, smaller in pairwise(self._layout.levels):
            between = steps(_size(larger), _size(smaller))
            target = np.empty((3, *_size(smaller)), np.float32)
            make = self._from_photo(target, between) if not made else _from_level(made[-1], target, between)
            self._in_bands(0, target.shape[1], make)
            made.append(target)
        return made

    def _from_photo(self, target: Planes, between: Steps) -> Callable[[int, int], None]:
        """dlib normalises the photo before it resamples: here, the rows that a band needs."""

        def make(first: int, last: int) -> None:
            top, bottom = int(between.top[first]), int(between.bottom[last - 1]) + 1
            source = np.empty((3, bottom - top, self._image.shape[1]), np.float32)
            normalise(self._image, top, bottom, self._mean, source, 0, 0)
            _resample(source, top, target, first, last, between)

        return make

    def _in_bands(self, first: int, last: int, make: Callable[[int, int], None]) -> None:
        """Call make(first row, last row) for bands of these rows, all threads at work."""
        for _ in self._pool.map(lambda band: make(*band), _bands(first, last)):
            pass  # map raises here what a band raised


def _from_level(source: Planes, target: Planes, between: Steps) -> Callable[[int, int], None]:
    return lambda first, last: _resample(source, 0, target, first, last, between)


def _resample(source: Planes, top: int, target: Planes, first: int, last: int, between: Steps) -> None:
    resample(
        source,
        top,
        target,
        first,
        last,
        between.top,
        between.bottom,
        between.below,
        between.left,
        between.right,
        between.beside,
        between.in_lanes,
    )


def _bands(first: int, last: int) -> Iterator[tuple[int, int]]:
    for begin in range(first, last, ROWS_AT_ONCE):
        yield begin, min(begin + ROWS_AT_ONCE, last)


def _size(level: Rectangle) -> tuple[int, int]:
    return level.bottom - level.top + 1, level.right - level.left + 1
