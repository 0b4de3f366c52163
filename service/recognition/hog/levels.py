"""Pyramid levels of the HOG detector, equal to dlib's bit for bit: the doubled photo, then each 5/6 of the one before.

Unlike the CNN's tiled pyramid, the levels are separate uint8 images, and each is truncated to bytes before the next.

Source: dlib/image_transforms/image_pyramid.h (pyramid_down, pyramid_down_2_1) and
dlib/image_transforms/interpolation.h (pyramid_up, resize_image of RGB images with interpolate_bilinear).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined
from service.recognition.compute.packed_pixels import channel
from service.recognition.geometry import round_half_away
from service.recognition.hog.crops import Area, Crop
from service.recognition.pyramid_down import RATE, column_positions, point_down, row_positions

MINIMUM_SIDE = 64
"""Pixels of the smallest level's sides (min_pyramid_layer_width and _height of the detector)."""
_ONE = np.float32(1)
_NEXT = np.uint64(1)
_SECOND = np.uint64(32)
"""Bits by which the second of two pixels in one word is shifted."""


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


@dataclass(frozen=True)
class Resampling:
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
    lefts = np.concatenate([lane_lefts, tail_lefts])
    return Resampling(
        tops,
        np.minimum(tops + 1, source[0] - 1),
        rows - tops,
        lefts,
        np.minimum(lefts + 1, source[1] - 1),
        np.concatenate([in_lanes - lane_lefts.astype(np.float32), in_tail - tail_lefts]).astype(np.float64),
        len(in_lanes),
    )


def resample(source: Crop, target: Crop, resampling: Resampling, area: Area) -> None:
    """Compute an area of a level.

    Args:
        source: crop of the level before that holds `resampling.source(area)`.
        target: crop of the level that holds the area; the area's pixels are written to it.
        resampling: from the level before to this one.
        area: in pixels of the level.
    """
    _resample(
        source.pixels,
        source.top,
        source.left,
        target.pixels,
        area.top - target.top,
        area.left - target.left,
        resampling.tops[area.top : area.bottom],
        resampling.bottoms[area.top : area.bottom],
        resampling.row_fractions[area.top : area.bottom],
        resampling.lefts[area.left : area.right],
        resampling.rights[area.left : area.right],
        resampling.column_fractions[area.left : area.right],
        min(max(resampling.float32_columns - area.left, 0), area.right - area.left),
    )


@compiled()
def _resample(
    source: Any,
    source_top: int,
    source_left: int,
    target: Any,
    target_top: int,
    target_left: int,
    tops: Any,
    bottoms: Any,
    row_fractions: Any,
    lefts: Any,
    rights: Any,
    column_fractions: Any,
    float32_columns: int,
) -> None:
    # Both horizontal neighbours of each pixel are gathered first, so that the arithmetic is a vectorised loop.
    upper_pairs, lower_pairs = np.empty(float32_columns, np.uint64), np.empty(float32_columns, np.uint64)
    gathered_upper, gathered_lower = -1, -1
    for row in range(len(tops)):
        upper, lower = tops[row] - source_top, bottoms[row] - source_top
        if upper == gathered_lower:
            upper_pairs, lower_pairs = lower_pairs, upper_pairs
            gathered_upper, gathered_lower = gathered_lower, gathered_upper
        if upper != gathered_upper:
            _gather(source[upper], source_left, lefts, upper_pairs)
        if lower != gathered_lower:
            _gather(source[lower], source_left, lefts, lower_pairs)
        gathered_upper, gathered_lower = upper, lower
        # Slicing a contiguous row keeps it contiguous; with one slice over both axes the loop is not vectorised.
        line = target[target_top + row][target_left:]
        down = np.float32(row_fractions[row])
        up = np.float32(1 - row_fractions[row])
        for i in range(float32_columns):
            after = np.float32(column_fractions[i])
            before = _ONE - after
            w0, w1, w2, w3 = up * before, up * after, down * before, down * after
            p0, p1 = np.uint32(upper_pairs[i]), np.uint32(upper_pairs[i] >> _SECOND)
            p2, p3 = np.uint32(lower_pairs[i]), np.uint32(lower_pairs[i] >> _SECOND)
            red = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 0)
            green = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 8)
            blue = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 16)
            line[i] = red | green | blue
        for column in range(float32_columns, len(lefts)):
            left, right = lefts[column] - source_left, rights[column] - source_left
            after64, down64 = column_fractions[column], row_fractions[row]
            pixel = np.uint32(0)
            for shift in range(0, 24, 8):
                pixel |= np.uint32(
                    (1 - down64)
                    * (
                        (1 - after64) * channel(source[upper, left], shift)
                        + after64 * channel(source[upper, right], shift)
                    )
                    + down64
                    * (
                        (1 - after64) * channel(source[lower, left], shift)
                        + after64 * channel(source[lower, right], shift)
                    )
                ) << np.uint32(shift)
            line[column] = pixel


@compiled()
def _gather(line: Any, begin: int, lefts: Any, pairs: Any) -> None:
    """Pack horizontal neighbours into 64 bits, the left one in the lower half: one load and one store each."""
    for i in range(len(pairs)):
        # Unsigned: numba tests a signed index for wrap-around in every iteration.
        at = np.uint64(np.uint32(lefts[i]) - np.uint32(begin))
        pairs[i] = np.uint64(line[at]) | (np.uint64(line[at + _NEXT]) << _SECOND)


@inlined
def _mixed(w0: Any, w1: Any, w2: Any, w3: Any, p0: Any, p1: Any, p2: Any, p3: Any, shift: int) -> Any:
    """Weighted sum of one channel of four neighbours, truncated and shifted to its bits in the packed pixel."""
    value = (
        w0 * np.float32(channel(p0, shift))
        + w1 * np.float32(channel(p1, shift))
        + w2 * np.float32(channel(p2, shift))
        + w3 * np.float32(channel(p3, shift))
    )
    return np.uint32(np.int32(value)) << np.uint32(shift)
