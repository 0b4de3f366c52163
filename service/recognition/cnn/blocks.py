"""Blocks of the score map that are computed again in float32: all places above a floor, in few rectangles.

A block costs more than its scores: the head's receptive field adds HEAD_RADIUS features on each side. So two blocks
become one where that is cheaper.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.cnn.score_map import HEAD_RADIUS
from service.recognition.compute.compiled import compiled, inlined

RUN_COST = 50
"""Cost of a block's runs of stem and head, apart from their features, in features (0.2 ms at 3.5 µs a feature, one core
of a Xeon with AVX-512)."""


class Block(NamedTuple):
    """A rectangle of the score map; `bottom` and `right` are excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def within(self, other: "Block") -> tuple[slice, slice]:
        """Index of the block in an array of another one that holds it."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the block in a map."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def field(self, rows: int, columns: int) -> "Block":
        """The features on which its scores depend, in a map of this size."""
        return Block(
            max(self.top - HEAD_RADIUS, 0),
            max(self.left - HEAD_RADIUS, 0),
            min(self.bottom + HEAD_RADIUS, rows),
            min(self.right + HEAD_RADIUS, columns),
        )


def blocks_above(floor: float, scores: NDArray[np.float32]) -> list[Block]:
    """Blocks, which may overlap, that hold all scores above a floor; `scores` has shape (rows, columns)."""
    # A score that is not a number counts as above.
    places = np.ascontiguousarray(np.argwhere(~(scores <= floor)))
    merged = np.empty((len(places), 4), np.int64)
    rows, columns = scores.shape
    number = _merge(places, rows, columns, merged)
    return [Block(*block) for block in merged[:number].tolist()]


def cost(blocks: Sequence[Block], rows: int, columns: int) -> int:
    """Cost of the blocks in features; that of the whole map is rows * columns."""
    return sum(math.prod(block.field(rows, columns).size) + RUN_COST for block in blocks)


@inlined
def _extent(first: int, last: int, limit: int) -> int:
    """Features along one side of a block's field."""
    return min(last + HEAD_RADIUS, limit) - max(first - HEAD_RADIUS, 0)


@compiled(types.int64(types.int64[:, ::1], types.int64, types.int64, types.int64[:, ::1]))
def _merge(places: NDArray[np.int64], rows: int, columns: int, merged: NDArray[np.int64]) -> int:
    """Write the merged blocks of places (row, column) to `merged`, and return their number.

    Greedy: each place joins a block if the union costs no more than both; a block that grew is tried again.
    """
    number = 0
    for place in range(len(places)):
        top, left = places[place, 0], places[place, 1]
        bottom, right = top + 1, left + 1
        other = 0
        while other < number:
            union_top, union_left = min(top, merged[other, 0]), min(left, merged[other, 1])
            union_bottom, union_right = max(bottom, merged[other, 2]), max(right, merged[other, 3])
            union = _extent(union_top, union_bottom, rows) * _extent(union_left, union_right, columns)
            this = _extent(top, bottom, rows) * _extent(left, right, columns)
            that = _extent(merged[other, 0], merged[other, 2], rows) * _extent(
                merged[other, 1], merged[other, 3], columns
            )
            if union > this + that + RUN_COST:
                other += 1
                continue
            top, left, bottom, right = union_top, union_left, union_bottom, union_right
            number -= 1
            merged[other] = merged[number]
            other = 0
        merged[number, 0], merged[number, 1], merged[number, 2], merged[number, 3] = top, left, bottom, right
        number += 1
    return number
