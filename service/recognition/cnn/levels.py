"""Pixels of a tiled pyramid, computed row by row when strips of the tile are read.

The whole tile of an 8 megapixel photo would take 370 MB. Only its levels from the third on are kept here, 160 MB. The
first level, which is the photo, and the second are computed again for each strip.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.resampling import normalise, resample, resample_photo, sample_grid
from service.recognition.compute import scratch
from service.recognition.compute.cores import Cores
from service.recognition.compute.threads import run_all
from service.recognition.geometry import Rectangle

MINIMUM_BAND_ROWS = 64
"""Minimum rows of a band: fewer are not worth another thread."""

Planes = NDArray[np.float32]
"""Shape (3, rows, columns), RGB, normalised."""


class Pyramids:
    """Factory of the pyramid levels of photos. Safe to call from many threads.

    Args:
        mean: the detector's mean colour, RGB, float32, shape (3,).
        cores: the cores that compute them.
    """

    def __init__(self, mean: NDArray[np.float32], cores: Cores) -> None:
        self.mean = mean
        self.cores = cores
        self.scratch = scratch.float_pool()

    @contextmanager
    def levels(self, image: NDArray[np.uint8], layout: Layout) -> Iterator["Levels"]:
        """The levels of a photo, until the end of the `with` block.

        Args:
            image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
            layout: the layout for that size.
        """
        smaller = [level.size for level in layout.levels[2:]]
        with self.scratch.acquired((3 * sum(rows * columns for rows, columns in smaller),)) as memory:
            yield Levels(self, image, layout, _divided(memory, smaller))


class Levels:
    """The levels of one photo. `smaller` is memory for the levels from the third on."""

    def __init__(
        self, pyramids: Pyramids, image: NDArray[np.uint8], layout: Layout, smaller: Sequence[Planes]
    ) -> None:
        self._pyramids = pyramids
        self._image = image
        self._layout = layout
        self._smaller = smaller
        self._resample()

    def rows(self, first: int, into: Planes) -> None:
        """Fill `into`, shape (3, rows, columns of the tile), with rows of the tile from `first` on; gaps are 0."""
        last = first + into.shape[1]
        self._in_bands(first, last, lambda begin, end: self._fill(into, first, begin, end))

    def _fill(self, tile: Planes, first: int, begin: int, end: int) -> None:
        """Write rows `begin` to `end` - 1 of the whole tile to `tile`, which begins with row `first`."""
        for gap in gaps(self._layout):
            top, bottom = max(begin, gap.top), min(end, gap.bottom + 1)
            if top < bottom:
                tile[:, top - first : bottom - first, gap.left : gap.right + 1] = 0
        for number, level in enumerate(self._layout.levels):
            top, bottom = max(begin, level.top), min(end, level.bottom + 1)
            if top >= bottom:
                continue
            rows = (top - level.top, bottom - level.top)
            if number == 0:
                normalise(self._image, self._pyramids.mean, tile, top - first, level.left, *rows)
            elif number == 1:
                self._second(tile, top - first, level.left, *rows)
            else:
                into = tile[:, top - first : bottom - first, level.left : level.right + 1]
                into[...] = self._smaller[number - 2][:, rows[0] : rows[1]]

    def _resample(self) -> None:
        """Compute the levels from the third on. The second has half as many pixels, and is cheap to compute again."""
        if not self._smaller:
            return
        rows, columns = self._layout.levels[1].size
        with self._pyramids.scratch.acquired((3, rows, columns)) as second:
            self._in_bands(0, rows, lambda first, last: self._second(second, first, 0, first, last))
            for source, target in pairwise([second, *self._smaller]):
                self._in_bands(0, target.shape[1], _from_level(source, target))

    def _second(self, target: Planes, top: int, left: int, first: int, last: int) -> None:
        """Write rows `first` to `last` - 1 of the second level to `target`, from row `top` and column `left` on."""
        photo, level = self._layout.levels[:2]
        grid = sample_grid(photo.size, level.size)
        resample_photo(self._image, self._pyramids.mean, target, top, left, first, last, grid)

    def _in_bands(self, first: int, last: int, make: Callable[[int, int], None]) -> None:
        """Call make(first, end), half-open, for bands of these rows, on all cores of the photo.

        There are twice as many bands as cores, since another photo may take one of the cores meanwhile.
        """
        cores = self._pyramids.cores
        run_all(cores.executor(), lambda band: make(*band), _bands(first, last, 2 * cores.share))


@lru_cache(maxsize=16)
def gaps(layout: Layout) -> tuple[Rectangle, ...]:
    """The rectangles of a tile that no level covers."""
    edges = {0, layout.rows}.union(*((level.top, level.bottom + 1) for level in layout.levels))
    found = []
    for top, bottom in pairwise(sorted(edges)):
        left = 0
        for level in sorted(level for level in layout.levels if level.top <= top <= level.bottom):
            found.append(Rectangle(left, top, level.left - 1, bottom - 1))
            left = max(left, level.right + 1)  # levels of a few rows overlap
        found.append(Rectangle(left, top, layout.columns - 1, bottom - 1))
    return tuple(found)


def _from_level(source: Planes, target: Planes) -> Callable[[int, int], None]:
    grid = sample_grid(source.shape[1:], target.shape[1:])
    return lambda first, last: resample(source, target, first, 0, first, last, grid)


def _divided(memory: NDArray[np.float32], sizes: Sequence[tuple[int, int]]) -> list[Planes]:
    """Planes of these rows and columns, one after the other in memory."""
    planes, begin = [], 0
    for rows, columns in sizes:
        end = begin + 3 * rows * columns
        planes.append(memory[begin:end].reshape(3, rows, columns))
        begin = end
    return planes


def _bands(first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
    """Split rows into at most `most` bands, each worth a thread."""
    rows = last - first
    number = max(min(most, rows // MINIMUM_BAND_ROWS), 1)
    for band in range(number):
        yield first + rows * band // number, first + rows * (band + 1) // number
