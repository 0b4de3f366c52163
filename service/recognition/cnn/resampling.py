"""The bilinear resampling with which dlib makes one level of a pyramid out of the one before, to the last bit.

Source: dlib/image_transforms/interpolation.h (resize_image for grayscale images with interpolate_bilinear: the
detector's tensor is resampled plane by plane) and dlib/dnn/input.h (input_rgb_image_pyramid::to_tensor).
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled
from service.recognition.compute.packed_pixels import inlined
from service.recognition.pyramid_down import column_positions, row_positions

SCALE = np.float32(1 / 256)
"""A normalised pixel is (pixel - mean) / 256. A power of two: multiplying rounds as dividing does."""
_ONE = np.float32(1)


class Steps(NamedTuple):
    """Where the rows and columns of a level lie in the one before it, whose corners are its own."""

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    below: NDArray[np.float64]
    """How far a row lies under `top`, 0 to 1."""
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    beside: NDArray[np.float32]
    in_lanes: int
    """Columns under this are interpolated in float32; the last ones in float64."""


@lru_cache(maxsize=64)  # the levels of two photos; an entry of the largest takes 100 kB
def steps(source: tuple[int, int], target: tuple[int, int]) -> Steps:
    """The steps from a level of `source` (rows, columns) to one of `target`."""
    rows = row_positions(source[0], target[0])
    top = np.floor(rows).astype(np.int64)
    in_lanes, in_tail = column_positions(source[1], target[1])
    columns = np.concatenate([in_lanes, in_tail])  # float64, which holds those of float32 as they are
    left = np.floor(columns).astype(np.int64)
    return Steps(
        top,
        np.minimum(top + 1, source[0] - 1),
        rows - top,
        left,
        np.minimum(left + 1, source[1] - 1),
        (columns - left).astype(np.float32),
        len(in_lanes),
    )


_PHOTO = types.Array(types.uint8, 3, "C", readonly=True)
"""Rows, columns, 3. A caller's photo may be read-only, and the type of what is not fits too."""
_MEAN = types.Array(types.float32, 1, "C", readonly=True)
_PLANES = types.float32[:, :, ::1]
_STEPS = types.NamedTuple(  # type: ignore[no-untyped-call]
    (
        types.int64[::1],
        types.int64[::1],
        types.float64[::1],
        types.int64[::1],
        types.int64[::1],
        types.float32[::1],
        types.int64,
    ),
    Steps,
)


@inlined
def _normalise_row(row: Any, plane: int, mean: Any, into: Any) -> None:
    for column in range(len(row)):
        into[column] = (np.float32(row[column, plane]) - mean[plane]) * SCALE


@inlined
def _interpolate(upper: Any, lower: Any, below: float, steps: Any, into: Any) -> None:
    left, right, beside = steps.left, steps.right, steps.beside
    down = np.float32(below)
    up = np.float32(1.0 - below)
    for column in range(steps.in_lanes):
        a, b = left[column], right[column]
        across = beside[column]
        back = _ONE - across
        into[column] = (
            (up * back) * upper[a]
            + (up * across) * upper[b]
            + (down * back) * lower[a]
            + (down * across) * lower[b]
        )
    for column in range(steps.in_lanes, len(left)):
        a, b = left[column], right[column]
        across = beside[column]
        back = _ONE - across
        over = back * upper[a] + across * upper[b]
        under = back * lower[a] + across * lower[b]
        into[column] = (1.0 - below) * over + below * under


@compiled(types.void(_PHOTO, _MEAN, _PLANES, types.int64, types.int64, types.int64, types.int64))
def normalise(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    target: NDArray[np.float32],
    target_top: int,
    target_left: int,
    first: int,
    last: int,
) -> None:
    """Rows `first` to `last` - 1 of a photo (rows, columns, 3), normalised, into planes (3, ...) at target_top,
    target_left."""
    right = target_left + image.shape[1]
    for row in range(first, last):
        for plane in range(3):
            into = target[plane, target_top + row - first, target_left:right]
            _normalise_row(image[row], plane, mean, into)


@compiled(types.void(_PHOTO, _MEAN, _PLANES, types.int64, types.int64, types.int64, types.int64, _STEPS))
def resample_photo(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    target: NDArray[np.float32],
    target_top: int,
    target_left: int,
    first: int,
    last: int,
    steps: Steps,
) -> None:
    """Rows `first` to `last` - 1 of the second level, from the photo, into planes (3, ...) at target_top,
    target_left.

    dlib normalises the photo before it resamples it: here the two rows that a row is made of.
    """
    right = target_left + len(steps.left)
    upper = np.empty(image.shape[1], np.float32)
    lower = np.empty(image.shape[1], np.float32)
    for plane in range(3):
        held = -1  # the row of the photo in `lower`
        for row in range(first, last):
            if steps.top[row] == held:
                upper, lower = lower, upper
            else:
                _normalise_row(image[steps.top[row]], plane, mean, upper)
            held = steps.bottom[row]
            _normalise_row(image[held], plane, mean, lower)
            into = target[plane, target_top + row - first, target_left:right]
            _interpolate(upper, lower, steps.below[row], steps, into)


@compiled(types.void(_PLANES, _PLANES, types.int64, types.int64, types.int64, types.int64, _STEPS))
def resample(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    target_top: int,
    target_left: int,
    first: int,
    last: int,
    steps: Steps,
) -> None:
    """Rows `first` to `last` - 1 of a level, from the level before, into planes (3, ...) at target_top,
    target_left."""
    right = target_left + len(steps.left)
    for plane in range(3):
        for row in range(first, last):
            upper, lower = source[plane, steps.top[row]], source[plane, steps.bottom[row]]
            into = target[plane, target_top + row - first, target_left:right]
            _interpolate(upper, lower, steps.below[row], steps, into)
