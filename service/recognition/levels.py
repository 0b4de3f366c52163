"""The pixels of a tiled pyramid, row by row as they are needed.

The whole tile of an 8 megapixel photo would take 370 MB. Here only its levels from the third on are kept, 160 MB; the
first one, which is the photo, and the second are made where rows of the tile are asked for.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

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
        for number, level in enumerate(self._layout.levels):
            top, bottom = max(begin, level.top), min(end, level.bottom + 1)
            if top >= bottom:
                continue
            rows = (top - level.top, bottom - level.top)
            if number == 0:
                normalise(self._image, *rows, self._mean, out, top - first, level.left)
            elif number == 1:
                self._second(out, top - first, level.left, *rows)
            else:
                into = out[:, top - first : bottom - first, level.left : level.right + 1]
                into[...] = self._smaller[number - 2][:, rows[0] : rows[1]]

    def _resampled(self) -> list[Planes]:
        """The levels from the third on. The second is half of them all, and cheap to make again."""
        if len(self._layout.levels) < 3:
            return []
        source = np.empty((3, *_size(self._layout.levels[1])), np.float32)
        self._in_bands(0, source.shape[1], lambda first, last: self._second(source, first, 0, first, last))
        made = [source]
        for level in self._layout.levels[2:]:
            target = np.empty((3, *_size(level)), np.float32)
            between = steps(made[-1].shape[1:], _size(level))
            self._in_bands(0, target.shape[1], _from_level(made[-1], target, between))
            made.append(target)
        return made[1:]

    def _second(self, target: Planes, top: int, left: int, first: int, last: int) -> None:
        """Rows `first` to `last` - 1 of the second level into `target` at top, left.

        dlib normalises the photo before it resamples: here, the rows of it that these need.
        """
        photo, level = self._layout.levels[:2]
        between = steps(_size(photo), _size(level))
        source_top, source_bottom = int(between.top[first]), int(between.bottom[last - 1]) + 1
        source = np.empty((3, source_bottom - source_top, self._image.shape[1]), np.float32)
        normalise(self._image, source_top, source_bottom, self._mean, source, 0, 0)
        _resample(source, source_top, target, top, left, first, last, between)

    def _in_bands(self, first: int, last: int, make: Callable[[int, int], None]) -> None:
        """Call make(first row, last row) for bands of these rows, all threads at work."""
        for _ in self._pool.map(lambda band: make(*band), _bands(first, last)):
            pass  # map raises here what a band raised


def _from_level(source: Planes, target: Planes, between: Steps) -> Callable[[int, int], None]:
    return lambda first, last: _resample(source, 0, target, first, 0, first, last, between)


def _resample(
    source: Planes,
    source_top: int,
    target: Planes,
    top: int,
    left: int,
    first: int,
    last: int,
    between: Steps,
) -> None:
    resample(
        source,
        source_top,
        target,
        top,
        left,
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
