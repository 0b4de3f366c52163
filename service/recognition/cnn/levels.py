"""Levels of a tiled pyramid, from which the tile is read in parts.

The whole tile of an 8 megapixel photo would take 370 MB in float32. Here only its levels from the second on are kept,
229 MB. The first level is the photo, which is normalised when it is read.

The second level takes 69 MB of it, but adds only 12 MB to the detector's peak: the third is made from it, and strips
would reuse its memory. Made in blocks of rows, never whole, it would save 12 ms of 93 at 8 megapixels and
nothing at 1.2, and would be made again for each strip.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.resampling import resample, resample_photo, sample_grid
from service.recognition.cnn.tile_rows import Source, read, read_bytes
from service.recognition.compute import scratch
from service.recognition.compute.cores import Cores

MINIMUM_BAND_PIXELS = 1 << 16
"""Minimum pixels of a band: fewer are not worth another thread."""

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

    @contextmanager
    def levels(self, image: NDArray[np.uint8], layout: Layout) -> Iterator["Levels"]:
        """The levels of a photo, until the end of the `with` block.

        Args:
            image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
            layout: the layout for that size.
        """
        sizes = [level.size for level in layout.levels]
        begins = list(accumulate((3 * rows * columns for rows, columns in sizes[1:]), initial=0))
        places = [
            (level.top, level.left, *level.size, begin)
            for level, begin in zip(layout.levels, [0, *begins], strict=False)  # the photo's is not used
        ]
        with scratch.POOL.acquired((begins[-1],), np.float32) as memory:
            yield Levels(Source(image, self.mean, memory, np.array(places)), self.cores)


class Levels:
    """The levels of one photo. `source` has the memory for the levels from the second on."""

    def __init__(self, source: Source, cores: Cores) -> None:
        self._source = source
        self._cores = cores
        self._resample()

    def area(self, top: int, left: int, into: Planes) -> None:
        """Fill `into` with the area of the tile from row `top` and column `left` on; gaps are 0.

        `into` is C-contiguous, shape (3, rows, columns).
        """
        self._in_bands(into.shape[1:], partial(read, *self._source, top, left, into))

    def byte_rows(self, first: int, into: NDArray[np.uint8]) -> None:
        """Fill `into` with rows of the tile from row `first` on, as bytes: the input of the scan.

        Args:
            first: row of the tile.
            into: C-contiguous, shape (rows / 2, columns of the tile / 4 rounded up, 24). Each cell is two squares of
                two by two pixels, left and right; byte (2 * y + x) * 3 + colour (RGB) of a square is that nearest to
                the pixel, 256 times its value in float32 plus the mean. Gaps, and pixels beyond the tile, have the mean
                colour.
        """
        squares = into.view(np.uint32).reshape(len(into), -1, 3, copy=False)
        self._in_bands(
            (len(squares), 4 * squares.shape[1]), partial(read_bytes, *self._source, first, squares)
        )

    def _resample(self) -> None:
        """Compute the levels from the second on."""
        image, mean, memory, places = self._source
        make = partial(resample_photo, image, mean)
        finer = image.shape[:2]
        for _, _, rows, columns, begin in places[1:].tolist():
            target = memory[begin : begin + 3 * rows * columns].reshape(3, rows, columns)
            grid = sample_grid(finer, (rows, columns))
            self._in_bands((rows, columns), partial(make, target, grid))
            make = partial(resample, target)
            finer = (rows, columns)

    def _in_bands(self, size: tuple[int, ...], make: Callable[[int, int], None]) -> None:
        """Call make(first, end), half-open, for bands of rows, one for each core of the photo.

        `size` is the number of rows and columns.
        """
        rows = size[0]
        self._cores.in_bands(make, rows, min(math.prod(size) // MINIMUM_BAND_PIXELS, rows))
