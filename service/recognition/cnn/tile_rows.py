"""Rows of the tile, read from a photo and its kept levels: in float32, or as bytes for the scan."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.cnn.resampling import MEAN, PHOTO, SCALE, normalise
from service.recognition.compute.compiled import compiled, inlined
from service.recognition.compute.packed_pixels import pack_row


class Source(NamedTuple):
    """The pixels of a tile."""

    image: NDArray[np.uint8]
    """The first level: the photo, RGB, uint8, C-contiguous, shape (rows, columns, 3)."""
    mean: NDArray[np.float32]
    """Mean colour, RGB, shape (3,)."""
    kept: NDArray[np.float32]
    """Planes of the other levels, one level after the other."""
    places: NDArray[np.int64]
    """For each level, shape (levels, 5): top and left in the tile, rows, columns, and first value in `kept`."""


_SOURCE = (PHOTO, MEAN, types.float32[::1], types.int64[:, ::1])
_UNIT = 1 / SCALE
"""Values of a byte in a unit of a normalised pixel."""


@compiled(types.void(*_SOURCE, types.int64, types.int64, types.float32[:, :, ::1], types.int64, types.int64))
def read(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    kept: NDArray[np.float32],
    places: NDArray[np.int64],
    top: int,
    left: int,
    into: NDArray[np.float32],
    begin: int,
    end: int,
) -> None:
    """Fill rows `begin` to `end` - 1 of `into`, an area of the tile from row `top` and column `left` on; gaps are 0.

    Shape of `into`: (3, rows, columns).
    """
    packed = np.empty(into.shape[2], np.uint32)
    for row in range(begin, end):
        for plane in range(3):
            into[plane, row] = 0
        for level in range(len(places)):
            level_top, level_left, rows, columns, first_value = places[level]
            line = top + row - level_top
            first, last = max(left, level_left), min(left + into.shape[2], level_left + columns)
            if not 0 <= line < rows or first >= last:
                continue
            pixels = packed[: last - first]
            if level == 0:
                pack_row(image[line, first - level_left :].reshape(-1), pixels)
            for plane in range(3):
                target = into[plane, row, first - left : last - left]
                if level == 0:
                    normalise(pixels, plane, mean, target)
                else:
                    start = first_value + (plane * rows + line) * columns + first - level_left
                    values = kept[start : start + last - first]
                    for column in range(len(target)):
                        target[column] = values[column]


@inlined
def _round(red: Any, green: Any, blue: Any, mean: Any, into: Any) -> None:
    """Pack the nearest bytes of normalised pixels: an interpolated value is between bytes, so none needs clipping."""
    red_mean, green_mean, blue_mean = mean[0], mean[1], mean[2]
    for column in range(len(into)):
        into[column] = (
            np.uint32(np.int32(np.rint(red[column] * _UNIT + red_mean)))
            | (np.uint32(np.int32(np.rint(green[column] * _UNIT + green_mean))) << np.uint32(8))
            | (np.uint32(np.int32(np.rint(blue[column] * _UNIT + blue_mean))) << np.uint32(16))
        )


@inlined
def _interleave(upper: Any, lower: Any, into: Any) -> None:
    """Write the 12 bytes of each two by two pixels."""
    for column in range(len(into)):
        a, b = upper[2 * column], upper[2 * column + 1]
        c, d = lower[2 * column], lower[2 * column + 1]
        into[column, 0] = a | (b << np.uint32(24))
        into[column, 1] = (b >> np.uint32(8)) | (c << np.uint32(16))
        into[column, 2] = (c >> np.uint32(16)) | (d << np.uint32(8))


@compiled(types.void(*_SOURCE, types.int64, types.uint32[:, :, ::1], types.int64, types.int64))
def read_bytes(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    kept: NDArray[np.float32],
    places: NDArray[np.int64],
    top: int,
    into: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Fill rows `begin` to `end` - 1 of `into`, squares of two by two pixels from row `top` of the tile on.

    Shape of `into`: (rows / 2, columns / 2, 3), of four bytes each. `Levels.byte_rows` describes the bytes.
    """
    pixels = np.empty((2, 2 * into.shape[1]), np.uint32)
    zero, gap = np.zeros((3, 1), np.float32), np.empty(1, np.uint32)
    _round(zero[0], zero[1], zero[2], mean, gap)
    for pair in range(begin, end):
        for half in range(2):
            pixels[half] = gap[0]
            for level in range(len(places)):
                level_top, level_left, rows, columns, first_value = places[level]
                line = top + 2 * pair + half - level_top
                if not 0 <= line < rows:
                    continue
                target = pixels[half, level_left : level_left + columns]
                if level == 0:
                    pack_row(image[line].reshape(-1), target)
                else:
                    red, plane = first_value + line * columns, rows * columns
                    _round(kept[red:], kept[red + plane :], kept[red + 2 * plane :], mean, target)
        _interleave(pixels[0], pixels[1], into[pair])
