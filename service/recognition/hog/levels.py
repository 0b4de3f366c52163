"""Pyramid levels of the HOG detector, equal to dlib's bit for bit: the doubled photo, then each 5/6 of the one before.

Unlike the CNN's tiled pyramid, the levels are separate uint8 images, and each is truncated to bytes before the next.
A chain of levels is computed a few rows at a time, so that its rows are read while they are in the CPU's cache.

Source: dlib/image_transforms/image_pyramid.h (pyramid_down, pyramid_down_2_1) and
dlib/image_transforms/interpolation.h (pyramid_up, resize_image of RGB images with interpolate_bilinear).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined
from service.recognition.compute.packed_pixels import channel
from service.recognition.geometry import round_half_away
from service.recognition.hog.crops import Area, Crop
from service.recognition.pyramid_down import RATE, column_positions, point_down, row_positions

MINIMUM_SIDE = 64
"""Pixels of the smallest level's sides (min_pyramid_layer_width and _height of the detector)."""
LONGEST_CHAIN = 3
"""Levels that are computed together. All except the last exist only as a few rows."""
_ROWS_AT_ONCE = 16
"""Rows of the last level of a chain that are computed together."""
_ROWS_KEPT = 32
"""Rows of the other levels that are kept: _ROWS_AT_ONCE of the last level need up to 27 rows two levels before."""
_ONE = np.float32(1)
_RED, _GREEN, _BLUE = np.uint32(0xFF), np.uint32(0xFF00), np.uint32(0xFF0000)
"""Bits of the channels in a packed pixel."""


def sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Rows and columns of every level for a photo of this size, the doubled photo first.

    The number of levels follows, as in dlib, from the photo's corners mapped down through the levels, not from the
    sizes of the levels: near MINIMUM_SIDE the two differ.
    """
    # pyramid_up: the corner of the photo, mapped up by pyramid_down_2_1::point_up, is the last pixel.
    rows, columns = 2 * rows + 1, 2 * columns + 2
    found = []
    edges = np.array([0, 0, columns - 1, rows - 1])
    while True:
        found.append((rows, columns))
        edges = round_half_away(point_down(edges))
        left, top, right, bottom = edges.tolist()
        if right - left + 1 < MINIMUM_SIDE or bottom - top + 1 < MINIMUM_SIDE:
            return found
        rows, columns = (RATE - 1) * rows // RATE, (RATE - 1) * columns // RATE


class Resampling(NamedTuple):
    """Source pixels and weights of every pixel of a level: bilinear, with aligned corners."""

    tops: NDArray[np.int64]
    bottoms: NDArray[np.int64]
    """Shape (rows,): the two source rows, in the level before."""
    row_fractions: NDArray[np.float64]
    """Shape (rows,): weight of the lower source row."""
    lefts: NDArray[np.int32]
    rights: NDArray[np.int32]
    """Shape (columns,): the two source columns, in the level before."""
    column_fractions: NDArray[np.float64]
    """Shape (columns,): weight of the right source column; of float32 precision in the first `float32_columns`."""
    float32_columns: int
    """Number of columns, from the left, that dlib computes in float32; the rest are computed in float64."""
    slots: NDArray[np.float32]
    """Shape (slots, source columns): `column_fractions` by the left source column. A slot holds at most one column for
    each source column, so that its pixels are computed from consecutive source pixels, without a gather."""
    slot_positions: NDArray[np.int32]
    """Shape (columns,): position of each column in `slots`, flattened; 0 for the columns without a slot."""
    without_slot: NDArray[np.int64]
    """Columns in float32 that have no slot, ascending: few, computed one by one."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the level."""
        return len(self.tops), len(self.lefts)

    def source(self, area: Area) -> Area:
        """Area of the level before from which a non-empty area of this level is computed."""
        return Area(
            int(self.tops[area.top]),
            int(self.bottoms[area.bottom - 1]) + 1,
            int(self.lefts[area.left]),
            int(self.rights[area.right - 1]) + 1,
        )


def resampling(source: tuple[int, int], target: tuple[int, int]) -> Resampling:
    """Dlib's resampling of an image of `source` rows and columns to `target` rows and columns."""
    rows = row_positions(source[0], target[0])
    tops = np.floor(rows).astype(np.int64)
    in_lanes, in_tail = column_positions(source[1], target[1])
    lane_lefts, tail_lefts = in_lanes.astype(np.int32), np.floor(in_tail).astype(np.int32)
    lane_fractions = in_lanes - lane_lefts.astype(np.float32)
    lefts = np.concatenate([lane_lefts, tail_lefts])
    # The number of columns before this one with the same left source column.
    slot = np.arange(len(lane_lefts)) - np.searchsorted(lane_lefts, lane_lefts)
    slots = np.zeros((2 if target[1] > source[1] else 1, source[1]), np.float32)
    fitting = slot < len(slots)
    slots[slot[fitting], lane_lefts[fitting]] = lane_fractions[fitting]
    return Resampling(
        tops,
        np.minimum(tops + 1, source[0] - 1),
        rows - tops,
        lefts,
        np.minimum(lefts + 1, source[1] - 1),
        np.concatenate([lane_fractions, in_tail - tail_lefts]).astype(np.float64),
        len(in_lanes),
        slots,
        np.where(fitting, slot * source[1] + lane_lefts, 0).astype(np.int32),
        np.flatnonzero(~fitting),
    )


def source_area(chain: Sequence[Resampling], area: Area) -> Area:
    """Area from which a non-empty area is computed by a chain of resamplings."""
    for resampling in reversed(chain):
        area = resampling.source(area)
    return area


def resample(source: Crop, target: Crop, chain: Sequence[Resampling], area: Area) -> None:
    """Compute an area of a level; the levels between source and target exist only as a few rows at a time.

    Args:
        source: crop that holds `source_area(chain, area)`.
        target: crop of the level that holds the area; the area's pixels are written to it.
        chain: one to LONGEST_CHAIN resamplings, from the source to the target.
        area: in pixels of the target's level.
    """
    # Always of the same length: numba compiles a function for each type of its arguments.
    padded = (*chain, *[chain[-1]] * (LONGEST_CHAIN - len(chain)))
    _resample(
        source.pixels,
        source.top,
        source.left,
        target.pixels,
        target.top,
        target.left,
        padded,
        len(chain),
        *area,
    )


@compiled()
def _resample(
    source: Any,
    source_top: int,
    source_left: int,
    target: Any,
    target_top: int,
    target_left: int,
    chain: Any,
    length: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> None:
    # Rows and columns of the levels: 0 is the source, `length` the target.
    tops, bottoms = np.empty(length + 1, np.int64), np.empty(length + 1, np.int64)
    lefts, rights = np.full(length + 1, left), np.full(length + 1, right)
    # The first row of each level that is not computed yet.
    done = np.zeros(length + 1, np.int64)
    widest, most = 1, 1
    for level in range(length - 1, -1, -1):
        lefts[level] = chain[level].lefts[lefts[level + 1]]
        rights[level] = chain[level].rights[rights[level + 1] - 1] + 1
        widest = max(widest, rights[level] - lefts[level])
        most = max(most, chain[level].slots.size)
    scratch = np.empty(most, np.uint32)
    kept = np.empty((length, _ROWS_KEPT, widest), np.uint32)
    for row in range(top, bottom, _ROWS_AT_ONCE):
        tops[length], bottoms[length] = row, min(row + _ROWS_AT_ONCE, bottom)
        for level in range(length - 1, 0, -1):
            tops[level] = chain[level].tops[tops[level + 1]]
            bottoms[level] = chain[level].bottoms[bottoms[level + 1] - 1] + 1
        for level in range(1, length + 1):
            _rows(
                source if level == 1 else kept[level - 1],
                source_top if level == 1 else 0,
                source_left if level == 1 else lefts[level - 1],
                target if level == length else kept[level],
                target_top if level == length else 0,
                target_left if level == length else lefts[level],
                chain[level - 1],
                max(tops[level], done[level]),
                bottoms[level],
                lefts[level],
                rights[level],
                scratch,
            )
            done[level] = bottoms[level]


@compiled()
def _rows(
    source: Any,
    source_top: int,
    source_left: int,
    target: Any,
    target_top: int,
    target_left: int,
    table: Any,
    top: int,
    bottom: int,
    left: int,
    right: int,
    scratch: Any,
) -> None:
    """Compute an area of a level from the level before it.

    Both arrays are crops, or hold only the last rows of a level: row r at r modulo the number of rows.
    """
    end = max(min(right, table.float32_columns), left)
    first = table.lefts[left]
    sources = table.lefts[end - 1] + 1 - first if end > left else 0
    begin = first - source_left
    slots, width = table.slots.shape
    positions = table.slot_positions[left:end]
    for row in range(top, bottom):
        upper = source[(table.tops[row] - source_top) % len(source)]
        lower = source[(table.bottoms[row] - source_top) % len(source)]
        # Slicing a contiguous row keeps it contiguous; with one slice over both axes the loop is not vectorised.
        line = target[(row - target_top) % len(target)][left - target_left :]
        down64 = table.row_fractions[row]
        up, down = np.float32(1 - down64), np.float32(down64)
        p0, p1, p2, p3 = upper[begin:], upper[begin + 1 :], lower[begin:], lower[begin + 1 :]
        for slot in range(slots):
            fractions, pixels = table.slots[slot][first:], scratch[slot * width + first :]
            for i in range(sources):
                pixels[i] = _pixel(up, down, fractions[i], p0[i], p1[i], p2[i], p3[i])
        for i in range(end - left):
            # Unsigned: numba tests a signed index for wrap-around in every iteration.
            line[i] = scratch[np.uint64(np.uint32(positions[i]))]
        for column in table.without_slot:
            if left <= column < end:
                i, after = table.lefts[column] - first, np.float32(table.column_fractions[column])
                line[column - left] = _pixel(up, down, after, p0[i], p1[i], p2[i], p3[i])
        for column in range(end, right):
            before, behind = table.lefts[column] - source_left, table.rights[column] - source_left
            after64 = table.column_fractions[column]
            pixel = np.uint32(0)
            for shift in range(0, 24, 8):
                pixel |= np.uint32(
                    (1 - down64)
                    * (
                        (1 - after64) * channel(upper[before], shift)
                        + after64 * channel(upper[behind], shift)
                    )
                    + down64
                    * (
                        (1 - after64) * channel(lower[before], shift)
                        + after64 * channel(lower[behind], shift)
                    )
                ) << np.uint32(shift)
            line[column - left] = pixel


@inlined
def _pixel(up: Any, down: Any, after: Any, p0: Any, p1: Any, p2: Any, p3: Any) -> Any:
    """Packed pixel between four neighbours: upper left and right, lower left and right."""
    before = _ONE - after
    w0, w1, w2, w3 = up * before, up * after, down * before, down * after
    red = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, _RED)
    green = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, _GREEN)
    blue = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, _BLUE)
    return red | green | blue


@inlined
def _mixed(w0: Any, w1: Any, w2: Any, w3: Any, p0: Any, p1: Any, p2: Any, p3: Any, channel_bits: Any) -> Any:
    """Weighted sum of one channel of four neighbours, truncated.

    The channel stays at its bits of the packed pixel: a power of two as a factor changes no rounding.
    """
    value = (
        w0 * np.float32(np.int32(p0 & channel_bits))
        + w1 * np.float32(np.int32(p1 & channel_bits))
        + w2 * np.float32(np.int32(p2 & channel_bits))
        + w3 * np.float32(np.int32(p3 & channel_bits))
    )
    return np.uint32(np.int32(value)) & channel_bits
