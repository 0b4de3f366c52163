"""The pictures that the HOG detector looks at: the photo doubled, then each 5/6 of the one before, to the bit.

Unlike the CNN's pyramid these are whole pictures of bytes, each rounded before the next is made of it.

Source: dlib/image_transforms/image_pyramid.h (pyramid_down, pyramid_down_2_1) and
dlib/image_transforms/interpolation.h (pyramid_up, resize_image of RGB pictures with interpolate_bilinear).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compiled import compiled
from service.recognition.geometry import round_half_away
from service.recognition.packed import channel, inlined, packed

RATE = 6
"""A level is (RATE - 1) / RATE of the one before (pyramid_down<6>, the frontal face detector's pyramid)."""
LEAST_SIDE = 64
"""Pixels of the smallest level's sides (min_pyramid_layer_width and _height of the detector)."""
_SHIFT = 0.3
"""pyramid_down::point_down and point_up."""
_LANES = 4
"""Columns that dlib interpolates at once; the last ones of a row take another way, which rounds otherwise."""
_ONE = np.float32(1)


def sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Rows and columns of every level for a photo of this size, the doubled photo first.

    Whether there is a further level, dlib tells from the corner that it maps down through the levels, not from
    the level's own size: near LEAST_SIDE the two differ.
    """
    # pyramid_up: the corner of the photo, mapped up by pyramid_down_2_1::point_up, is the last pixel.
    rows, columns = 2 * rows + 1, 2 * columns + 2
    found = []
    left, top, right, bottom = 0, 0, columns - 1, rows - 1
    while True:
        found.append((rows, columns))
        left, top, right, bottom = (_down(edge) for edge in (left, top, right, bottom))
        if right - left + 1 < LEAST_SIDE or bottom - top + 1 < LEAST_SIDE:
            return found
        rows, columns = (RATE - 1) * rows // RATE, (RATE - 1) * columns // RATE


def _down(edge: int) -> int:
    return round_half_away((edge - _SHIFT) * ((RATE - 1.0) / RATE))


@dataclass(frozen=True)
class Resampling:
    """Where each pixel of a level comes from in the picture before it. Bilinear with aligned corners."""

    tops: NDArray[np.int64]
    """Shape (rows,): the upper of the two source rows."""
    row_fractions: NDArray[np.float64]
    """Shape (rows,): the weight of the lower one."""
    lefts: NDArray[np.int32]
    """Shape (columns,): the left of the two source columns."""
    column_fractions: NDArray[np.float64]
    """Shape (columns,): the weight of the right one; of float32 precision in the first `whole` columns."""
    whole: int
    """Columns that dlib computes in float32; those after it are computed in float64."""


def resampling(source: tuple[int, int], target: tuple[int, int]) -> Resampling:
    """How dlib resamples a picture of `source` rows and columns to `target`."""
    row_step = (source[0] - 1) / max(target[0] - 1, 1)
    rows = _steps(-row_step, row_step, target[0])
    tops = np.floor(rows).astype(np.int64)

    step = (source[1] - 1) / max(target[1] - 1, 1)
    groups = target[1] // _LANES + 2
    lanes = np.full((groups + 1, _LANES), _LANES * step, np.float32)
    lanes[0] = [-_LANES * step + lane * step for lane in range(_LANES)]
    positions = np.cumsum(lanes, axis=0, dtype=np.float32)[1:]
    outside = np.flatnonzero(positions[:, -1].astype(np.int32) + 1 >= source[1])
    whole = _LANES * int(outside[0])
    in_lanes = positions.ravel()[: min(whole, target[1])]
    in_tail = _steps(-step + whole * step, step, max(target[1] - whole, 0))

    lane_lefts, tail_lefts = in_lanes.astype(np.int32), np.floor(in_tail).astype(np.int32)
    return Resampling(
        tops,
        rows - tops,
        np.concatenate([lane_lefts, tail_lefts]),
        np.concatenate([in_lanes - lane_lefts.astype(np.float32), in_tail - tail_lefts]).astype(np.float64),
        len(in_lanes),
    )


def resample(
    source: NDArray[np.uint32], target: NDArray[np.uint32], way: Resampling, top: int, bottom: int
) -> None:
    """Fill the rows top to bottom, end excluded, of a packed level from the packed picture before it."""
    _resample(
        source,
        target,
        way.tops,
        way.row_fractions,
        way.lefts,
        way.column_fractions,
        way.whole,
        top,
        bottom,
    )


def _steps(start: float, step: float, count: int) -> NDArray[np.float64]:
    """Positions as dlib adds them up, one after the other."""
    return np.cumsum(np.concatenate([[start], np.full(count, step)]))[1:]


class DoubledPhoto:
    """The first level, made anew wherever somebody looks: of an 8 megapixel photo all of it would take 133 MB.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._photo = packed(image)
        self._size = sizes(*image.shape[:2])[0]
        self._way = resampling((image.shape[0], image.shape[1]), self._size)

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint32]:
        """An array of the whole level in which only these rows, the end excluded, are filled in.

        The others are never written, so that the operating system gives no memory for them.
        """
        level = np.empty(self._size, np.uint32)
        resample(self._photo, level, self._way, max(top, 0), min(bottom, self._size[0]))
        return level


@compiled()
def _resample(
    source: Any,
    target: Any,
    tops: Any,
    row_fractions: Any,
    lefts: Any,
    column_fractions: Any,
    whole: int,
    top: int,
    bottom: int,
) -> None:
    last_row, last_column = source.shape[0] - 1, source.shape[1] - 1
    # The four neighbours of each pixel are gathered first, so that the arithmetic is a vector loop.
    upper_left, upper_right = np.empty(whole, np.uint32), np.empty(whole, np.uint32)
    lower_left, lower_right = np.empty(whole, np.uint32), np.empty(whole, np.uint32)
    gathered = -1
    for row in range(top, bottom):
        upper, lower = tops[row], min(tops[row] + 1, last_row)
        if upper == gathered:
            upper_left, lower_left = lower_left, upper_left
            upper_right, lower_right = lower_right, upper_right
        else:
            _gather(source[upper], lefts, whole, upper_left, upper_right)
        _gather(source[lower], lefts, whole, lower_left, lower_right)
        gathered = lower
        line = target[row]
        down = np.float32(row_fractions[row])
        up = np.float32(1 - row_fractions[row])
        for i in range(whole):
            after = np.float32(column_fractions[i])
            before = _ONE - after
            w0, w1, w2, w3 = up * before, up * after, down * before, down * after
            p0, p1, p2, p3 = upper_left[i], upper_right[i], lower_left[i], lower_right[i]
            red = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 0)
            green = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 8)
            blue = _mixed(w0, w1, w2, w3, p0, p1, p2, p3, 16)
            line[i] = red | green | blue
        for column in range(whole, len(lefts)):
            left, right = lefts[column], min(lefts[column] + 1, last_column)
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
def _gather(line: Any, lefts: Any, count: int, left: Any, right: Any) -> None:
    for i in range(count):
        left[i] = line[lefts[i]]
        right[i] = line[lefts[i] + 1]


@inlined
def _mixed(w0: Any, w1: Any, w2: Any, w3: Any, p0: Any, p1: Any, p2: Any, p3: Any, shift: int) -> Any:
    """One channel of four neighbours, weighted and truncated, at its place in the pixel."""
    value = (
        w0 * np.float32(channel(p0, shift))
        + w1 * np.float32(channel(p1, shift))
        + w2 * np.float32(channel(p2, shift))
        + w3 * np.float32(channel(p3, shift))
    )
    return np.uint32(np.int32(value)) << np.uint32(shift)
