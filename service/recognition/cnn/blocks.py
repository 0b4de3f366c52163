"""Blocks of the score map that are computed again in float32: all places above a floor, in few rectangles.

A block costs more than its scores: the head's receptive field adds HEAD_RADIUS features on each side, and every layer
of the head computes a smaller rectangle than the one before. Two blocks become one where that is cheaper.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.cnn.score_map import HEAD_KERNELS, HEAD_RADIUS
from service.recognition.compute.compiled import compiled

RADII = tuple(
    HEAD_RADIUS - before for before in accumulate((kernel // 2 for kernel in HEAD_KERNELS), initial=0)
)
"""Features on each side of a block that the stem, and then each layer of the head, has to compute: 10, 8, 6, 4, 0."""
OPERATIONS = (96_000, 38_400, 57_600, 57_600, 7_056)
"""Multiplications of the stem and of each layer of the head for one place (conversion/graphs/detector.py, channels
padded to 48)."""
_SHARES = np.array(OPERATIONS) / sum(OPERATIONS)
RUN_COST = 75
"""Cost of a block's runs of stem and head, apart from its places, in places of the whole map. Measured with 1 to 12
rows and columns: 50 to 90 on one core with AVX-512 (3.8 µs a place) and with AVX2 (6.7), 110 to 145 on two (2.2;
November 2026)."""


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

    def field(self, rows: int, columns: int, radius: int = HEAD_RADIUS) -> "Block":
        """The block with `radius` more places on each side, as far as a map of this size has them.

        By default the features on which its scores depend.
        """
        return Block(
            max(self.top - radius, 0),
            max(self.left - radius, 0),
            min(self.bottom + radius, rows),
            min(self.right + radius, columns),
        )

    def padding(self, rows: int, columns: int) -> NDArray[np.int64]:
        """Zeros around the input of each layer, where the map of this size ends: int64, shape (1, layers, 8).

        In the order of ONNX's Pad: before and then after each axis of (batch, channel, row, column).
        """
        padding = np.zeros((1, len(HEAD_KERNELS), 8), np.int64)
        for layer, (wider, narrower) in enumerate(pairwise(RADII)):
            given, result = self.field(rows, columns, wider), self.field(rows, columns, narrower)
            kernel = wider - narrower
            padding[0, layer, 2:4] = given.top - result.top + kernel, given.left - result.left + kernel
            padding[0, layer, 6:8] = (
                result.bottom - given.bottom + kernel,
                result.right - given.right + kernel,
            )
        return padding


def blocks_above(floor: float, scores: NDArray[np.float32]) -> list[Block]:
    """Blocks, which may overlap, that hold all scores above a floor; `scores` has shape (rows, columns)."""
    # A score that is not a number counts as above.
    places = np.ascontiguousarray(np.argwhere(~(scores <= floor)))
    merged = np.empty((len(places), 4), np.int64)
    rows, columns = scores.shape
    number = _merge(places, rows, columns, merged)
    return [Block(*block) for block in merged[:number].tolist()]


def cost(blocks: Sequence[Block], rows: int, columns: int) -> float:
    """Cost of the blocks in places of the whole map, whose cost is rows * columns."""
    return float(sum(_cost(*block, rows, columns) for block in blocks))


@compiled(types.float64(*[types.int64] * 6))
def _cost(top: int, left: int, bottom: int, right: int, rows: int, columns: int) -> float:
    """Cost of one block, in places of the whole map: multiplications, without the 4 to 8 % at the edges of the stem's
    strips and of the 9x9 layer's two parts, and without the copies between layers."""
    places = 0.0
    for layer in range(len(_SHARES)):
        radius = RADII[layer]
        height = min(bottom + radius, rows) - max(top - radius, 0)
        width = min(right + radius, columns) - max(left - radius, 0)
        places += _SHARES[layer] * height * width
    return places + RUN_COST


@compiled(types.int64(types.int64[:, ::1], types.int64, types.int64, types.int64[:, ::1]))
def _merge(places: NDArray[np.int64], rows: int, columns: int, merged: NDArray[np.int64]) -> int:
    """Write the merged blocks of places (row, column) to `merged`, and return their number.

    Greedy: each place joins a block if the union costs no more than both; a block that grew is tried again.
    """
    number = 0
    for place in range(len(places)):
        top, left = places[place, 0], places[place, 1]
        bottom, right = top + 1, left + 1
        this = _cost(top, left, bottom, right, rows, columns)
        other = 0
        while other < number:
            union_top, union_left = min(top, merged[other, 0]), min(left, merged[other, 1])
            union_bottom, union_right = max(bottom, merged[other, 2]), max(right, merged[other, 3])
            union = _cost(union_top, union_left, union_bottom, union_right, rows, columns)
            that = _cost(
                merged[other, 0], merged[other, 1], merged[other, 2], merged[other, 3], rows, columns
            )
            if union > this + that:
                other += 1
                continue
            top, left, bottom, right = union_top, union_left, union_bottom, union_right
            this = union
            number -= 1
            merged[other] = merged[number]
            other = 0
        merged[number, 0], merged[number, 1], merged[number, 2], merged[number, 3] = top, left, bottom, right
        number += 1
    return number
