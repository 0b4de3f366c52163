"""Inputs of the detector's graph for a device that depend on a photo's size: samples and position of each level.

The graph has a fixed number of levels, and photos have fewer: an unused level is one pixel without a position.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.resampling import sample_grid
from service.recognition.geometry import Rectangle

LEVELS = 48
"""Levels of the graph, the photo included: enough for a photo of 26,000 rows, whose 47th level is below
`MINIMUM_ROWS`."""

PLACES, PLACES_SIZES, SHARES, SHARES_SIZES = "places", "places_sizes", "shares", "shares_sizes"
"""Inputs of the graph: vectors one after another, and the length of each.

`places`, int32: for each level from the second on, `SampleGrid.top`, `bottom`, `left` and `right`. Then for each level
the rows and the columns of its block in the left column of levels, and the same for the right column. In a block, 0 is
a gap and 1 the level's first row or column.

`shares`, float32: for each level from the second on, the weights of `top`, `bottom`, `left` and `right`."""
OF_SOURCES, OF_BLOCKS = 4 * (LEVELS - 1), 4 * LEVELS
"""Number of vectors in `places`: first for the levels' samples (`shares` has as many), then for the levels' blocks."""

_ONE = np.float32(1)
_A_PIXEL = Rectangle(0, 0, 0, 0)

Vectors = list[NDArray[Any]]


@lru_cache(maxsize=4)  # an entry for 8 megapixels takes 2 MB
def tables(layout: Layout) -> Mapping[str, NDArray[Any]]:
    """The inputs of the graph in addition to the photos, for a layout of at most LEVELS levels."""
    unused = LEVELS - len(layout.levels)
    places, shares = Vectors(), Vectors()
    for source, target in pairwise([*layout.levels, *[_A_PIXEL] * unused]):
        grid = sample_grid(source.size, target.size)
        places += [grid.top, grid.bottom, grid.left, grid.right]
        shares += [1.0 - grid.bottom_weight, grid.bottom_weight, _ONE - grid.right_weight, grid.right_weight]
    for left, right in zip(_column(layout, _left(layout)), _column(layout, _right(layout)), strict=True):
        places += [*left, *right]
    given = {}
    for name, sizes, vectors, kind in (
        (PLACES, PLACES_SIZES, places, np.int32),
        (SHARES, SHARES_SIZES, shares, np.float32),
    ):
        given[name] = np.concatenate(vectors).astype(kind)
        given[sizes] = np.array([len(vector) for vector in vectors], np.int64)
    return given


def _left(layout: Layout) -> Sequence[int]:
    """Numbers of the levels in the left column, from top to bottom."""
    below = (lower.top > upper.bottom for upper, lower in pairwise(layout.levels))
    return range(next((number for number, yes in enumerate(below, 1) if not yes), len(layout.levels)))


def _right(layout: Layout) -> Sequence[int]:
    """Numbers of the levels in the right column, from top to bottom."""
    return range(len(layout.levels) - 1, len(_left(layout)) - 1, -1)


def _column(layout: Layout, stacked: Sequence[int]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """The rows and columns of each level's block; the blocks of a column of levels, stacked, cover the tile.

    A block includes the gap above its level, and the last block also the rest of the tile. A column without levels is
    one gap, the block of level 0.
    """
    rows = [np.zeros(0, np.int32)] * LEVELS
    columns = [np.zeros(layout.columns, np.int32)] * LEVELS
    rows[0] = np.zeros(0 if stacked else layout.rows, np.int32)
    end = 0
    for number in stacked:
        level = layout.levels[number]
        below = layout.rows if number == stacked[-1] else level.bottom + 1
        high, wide = level.size
        rows[number] = _counted(level.top - end, high, below - level.bottom - 1)
        columns[number] = _counted(level.left, wide, layout.columns - level.right - 1)
        end = below
    return zip(rows, columns, strict=True)


def _counted(before: int, length: int, after: int) -> NDArray[np.int32]:
    """`before` zeros, then 1 to `length`, then `after` zeros."""
    return np.pad(np.arange(1, length + 1, dtype=np.int32), (before, after))
