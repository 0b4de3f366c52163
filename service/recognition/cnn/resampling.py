"""Dlib's normalisation, and its bilinear resampling of one tiled pyramid level to the next, bit for bit.

Source: dlib/image_transforms/interpolation.h (resize_image for grayscale images with interpolate_bilinear: the
detector's tensor is resampled plane by plane) and dlib/dnn/input.h (input_rgb_image_pyramid::to_tensor).
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined
from service.recognition.pyramid_down import column_positions, row_positions

SCALE = np.float32(1 / 256)
"""A normalised pixel is (pixel - mean) / 256; multiplying by a power of two rounds as dividing does."""
_ONE = np.float32(1)


class SampleGrid(NamedTuple):
    """Samples for each row and column of a level: two of the previous level's rows or columns, and their weights."""

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    bottom_weight: NDArray[np.float64]
    """Shape (rows,), as `top` and `bottom`. The weight of `top` is 1 minus this weight."""
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    right_weight: NDArray[np.float32]
    """Shape (columns,), as `left` and `right`. The weight of `left` is 1 minus this weight."""
    in_lanes: int
    """Number of columns that are interpolated in float32; the rest, at the right, are in float64."""


@lru_cache(maxsize=64)  # the levels of two photos; an entry of the largest takes 100 kB
def sample_grid(source: tuple[int, int], target: tuple[int, int]) -> SampleGrid:
    """The samples from a level of `source` (rows, columns) to one of `target`; their corners coincide."""
    rows = row_positions(source[0], target[0])
    top = np.floor(rows).astype(np.int64)
    in_lanes, in_tail = column_positions(source[1], target[1])
    columns = np.concatenate([in_lanes, in_tail])  # float64 holds float32 values exactly
    left = np.floor(columns).astype(np.int64)
    return SampleGrid(
        top,
        np.minimum(top + 1, source[0] - 1),
        rows - top,
        left,
        np.minimum(left + 1, source[1] - 1),
        (columns - left).astype(np.float32),
        len(in_lanes),
    )


_PHOTO = types.Array(types.uint8, 3, "C", readonly=True)
"""Shape (rows, columns, 3). Numba's type for read-only arrays accepts writable ones too."""
_MEAN = types.Array(types.float32, 1, "C", readonly=True)
_PLANES = types.float32[:, :, ::1]
_GRID = types.NamedTuple(  # type: ignore[no-untyped-call]
    (
        types.int64[::1],
        types.int64[::1],
        types.float64[::1],
        types.int64[::1],
        types.int64[::1],
        types.float32[::1],
        types.int64,
    ),
    SampleGrid,
)


@inlined
def _normalise_row(row: Any, plane: int, mean: Any, into: Any) -> None:
    for column in range(len(row)):
        into[column] = (np.float32(row[column, plane]) - mean[plane]) * SCALE


@inlined
def _interpolate(upper: Any, lower: Any, bottom_weight: float, grid: Any, into: Any) -> None:
    left, right, right_weight = grid.left, grid.right, grid.right_weight
    down = np.float32(bottom_weight)
    up = np.float32(1.0 - bottom_weight)
    for column in range(grid.in_lanes):
        a, b = left[column], right[column]
        across = right_weight[column]
        back = _ONE - across
        into[column] = (
            (up * back) * upper[a]
            + (up * across) * upper[b]
            + (down * back) * lower[a]
            + (down * across) * lower[b]
        )
    for column in range(grid.in_lanes, len(left)):
        a, b = left[column], right[column]
        across = right_weight[column]
        back = _ONE - across
        over = back * upper[a] + across * upper[b]
        under = back * lower[a] + across * lower[b]
        into[column] = (1.0 - bottom_weight) * over + bottom_weight * under


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
    """Normalise rows `first` to `last` - 1 of a photo.

    Args:
        image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
        mean: mean colour, RGB, shape (3,).
        target: planes, float32, shape (3, ...), filled from target_top, target_left on.
        target_top, target_left: position of the first pixel.
        first, last: rows of the photo.
    """
    right = target_left + image.shape[1]
    for row in range(first, last):
        for plane in range(3):
            into = target[plane, target_top + row - first, target_left:right]
            _normalise_row(image[row], plane, mean, into)


@compiled(types.void(_PHOTO, _MEAN, _PLANES, types.int64, types.int64, types.int64, types.int64, _GRID))
def resample_photo(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    target: NDArray[np.float32],
    target_top: int,
    target_left: int,
    first: int,
    last: int,
    grid: SampleGrid,
) -> None:
    """Make rows `first` to `last` - 1 of the second level from the photo; arguments as for `normalise`.

    Dlib normalises the whole photo before resampling; here only the two rows under each row are normalised.
    """
    right = target_left + len(grid.left)
    upper = np.empty(image.shape[1], np.float32)
    lower = np.empty(image.shape[1], np.float32)
    for plane in range(3):
        held = -1  # row of the photo in `lower`
        for row in range(first, last):
            if grid.top[row] == held:
                upper, lower = lower, upper
            else:
                _normalise_row(image[grid.top[row]], plane, mean, upper)
            held = grid.bottom[row]
            _normalise_row(image[held], plane, mean, lower)
            into = target[plane, target_top + row - first, target_left:right]
            _interpolate(upper, lower, grid.bottom_weight[row], grid, into)


@compiled(types.void(_PLANES, _PLANES, types.int64, types.int64, types.int64, types.int64, _GRID))
def resample(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    target_top: int,
    target_left: int,
    first: int,
    last: int,
    grid: SampleGrid,
) -> None:
    """Make rows `first` to `last` - 1 of a level from `source`, the planes of the level before.

    The other arguments are as for `normalise`.
    """
    right = target_left + len(grid.left)
    for plane in range(3):
        for row in range(first, last):
            upper, lower = source[plane, grid.top[row]], source[plane, grid.bottom[row]]
            into = target[plane, target_top + row - first, target_left:right]
            _interpolate(upper, lower, grid.bottom_weight[row], grid, into)
