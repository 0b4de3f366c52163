"""The tiled image pyramid that the CNN detector looks at: every scale of a photo in one picture.

dlib lays the levels of the pyramid (each 5/6 of the one before) into one tile and runs its network once over
it. The levels stand only 10 pixels apart while the network sees 189, so neighbours reach into each other's
scores: the layout is part of the result and has to be dlib's to the pixel.

Source: dlib/image_transforms/image_pyramid.h (compute_tiled_image_pyramid_details, create_tiled_pyramid) and
dlib/image_transforms/interpolation.h (resize_image with interpolate_bilinear).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle

PADDING = 10
"""Pixels between two levels of a tile (input_rgb_image_pyramid::pyramid_padding, its default)."""
OUTER_PADDING = 11
"""Pixels around a tile (input_rgb_image_pyramid::pyramid_outer_padding, its default)."""
RATE = 6
"""A level is (RATE - 1) / RATE of the one before (pyramid_down<6>, the human face detector's pyramid)."""
LEAST_ROWS = 5
"""A level with fewer rows is left out (min_height in compute_tiled_image_pyramid_details)."""
RECEPTIVE_FIELD = 29
"""Rows and columns of a tile under which the three unpadded 5x5 stride-2 convolutions leave no score."""

_UNSIGNED_LONG = (1 << 64) - 1


@dataclass(frozen=True)
class Layout:
    """Where the levels of a pyramid stand in its tile."""

    rows: int
    columns: int
    levels: tuple[Rectangle, ...]
    """In pixels of the tile; the first is the photo itself."""


def layout(rows: int, columns: int) -> Layout | None:
    """The layout for a photo of `rows` x `columns`, or None where dlib's detector has none.

    None means that no face can be found: the tile is too small to give one score, or the photo is such a
    narrow strip that dlib would lay levels outside of the tile (its release builds then write out of bounds).
    """
    sizes = _level_sizes(rows, columns)
    height = _first_column_height(sizes)
    tile_rows, tile_columns = height + 2 * OUTER_PADDING, columns + 2 * OUTER_PADDING
    if tile_rows < RECEPTIVE_FIELD or tile_columns < RECEPTIVE_FIELD:
        return None

    levels: list[Rectangle] = []
    top = OUTER_PADDING
    for level_rows, level_columns in sizes:
        if top >= height + OUTER_PADDING:
            break
        levels.append(Rectangle(OUTER_PADDING, top, OUTER_PADDING + level_columns - 1, top + level_rows - 1))
        top += level_rows + PADDING
    # The second column runs upwards, its levels flush with the lower right corner.
    right, bottom = OUTER_PADDING + columns - 1, top - PADDING - 1
    for level_rows, level_columns in sizes[len(levels) :]:
        level = Rectangle(right - level_columns + 1, bottom - level_rows + 1, right, bottom)
        if levels[0].intersects(level):
            break
        levels.append(level)
        bottom -= level_rows + PADDING

    tile = Rectangle(0, 0, tile_columns - 1, tile_rows - 1)
    if not all(tile.contains(level) for level in levels):
        return None
    return Layout(tile_rows, tile_columns, tuple(levels))


def tile(image: NDArray[np.uint8], levels: Layout, background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay the pyramid of a photo out, in pixel units.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
        levels: the layout for that size.
        background: RGB, shape (3,): what stands between the levels. The detector's mean colour, so that it is
            zero once the graph has normalised the tile, as in dlib, which normalises before it resamples (the
            difference of the two orders is rounding, under 1e-7 of the normalised value).

    Returns:
        float32, shape (1, 3, levels.rows, levels.columns), values 0 to 255.
    """
    out = np.empty((1, 3, levels.rows, levels.columns), np.float32)
    out[0] = background[:, None, None]
    planes = [_view(out[0], level) for level in levels.levels]
    planes[0][...] = image.transpose(2, 0, 1)
    for larger, smaller in itertools.pairwise(planes):
        _resample(larger, smaller)
    return out


def _level_sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    sizes = [(rows, columns)]
    rate = (RATE - 1.0) / RATE
    while True:
        rows, columns = math.floor(rate * rows), math.floor(rate * columns)
        if rows * columns == 0 or rows < LEAST_ROWS:
            return sizes
        sizes.append((rows, columns))


def _first_column_height(sizes: list[tuple[int, int]]) -> int:
    """Rows of the left column, which ends where the next level fits beside the one above it.

    dlib compares unsigned numbers here: a difference under zero wraps around to a huge one, and the break
    comes a level earlier or later than the formula reads. Kept, since the tile's height follows from it.
    """
    first_rows, first_columns = sizes[0]
    total = sum(level_rows + PADDING for level_rows, _ in sizes) - 2 * PADDING
    height = 0
    width_above = 0
    for level_rows, level_columns in sizes:
        room_beside = (first_columns - width_above - PADDING) & _UNSIGNED_LONG
        below_first = (height - first_rows) & _UNSIGNED_LONG
        remaining = (total - first_rows) & _UNSIGNED_LONG
        if level_columns <= room_beside and (2 * below_first) & _UNSIGNED_LONG >= remaining:
            break
        height += level_rows + PADDING
        width_above = level_columns
    return height - PADDING


def _view(planes: NDArray[np.float32], level: Rectangle) -> NDArray[np.float32]:
    return planes[:, level.top : level.bottom + 1, level.left : level.right + 1]


def _resample(source: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    """Bilinear with aligned corners, (3, rows, columns) into (3, smaller rows, smaller columns).

    Rows are interpolated first and columns then, which rounds otherwise than dlib's one expression over four
    pixels: scores move by up to 2e-6.
    """
    top, bottom, row_fraction = _row_positions(source.shape[1], target.shape[1])
    left, right, column_fraction = _column_positions(source.shape[2], target.shape[2])
    row_fraction = row_fraction[:, None]
    for source_plane, target_plane in zip(source, target, strict=True):
        rows = source_plane[bottom]
        upper = source_plane[top]
        rows -= upper
        rows *= row_fraction
        rows += upper
        first = rows[:, left]
        second = rows[:, right]
        second -= first
        second *= column_fraction
        np.add(first, second, out=target_plane)


Positions = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]
"""First neighbour, second neighbour, and the second's weight, for each row or column of a level."""


def _row_positions(source: int, target: int) -> Positions:
    """dlib adds the row step up in float64."""
    step = (source - 1) / max(target - 1, 1)
    position = np.cumsum(np.concatenate([[-step], np.full(target, step)]))[1:]
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, source - 1), (position - first).astype(np.float32)


def _column_positions(source: int, target: int) -> Positions:
    """dlib adds the column step up in float32, four lanes at a time, then in float64 for the last columns."""
    step = (source - 1) / max(target - 1, 1)
    groups = target // 4 + 2
    lanes = np.full((groups + 1, 4), 4 * step, np.float32)
    lanes[0] = [-4 * step + lane * step for lane in range(4)]
    positions = np.cumsum(lanes, axis=0, dtype=np.float32)[1:]
    first = positions.astype(np.int32)
    outside = np.flatnonzero(first[:, 3] + 1 >= source)
    whole = int(outside[0]) if len(outside) else groups
    in_lanes = first[:whole].ravel()
    lane_fraction = (positions[:whole] - first[:whole].astype(np.float32)).ravel()

    done = 4 * whole
    tail = np.cumsum(np.concatenate([[-step + done * step], np.full(max(target - done, 0), step)]))[1:]
    in_tail = np.floor(tail).astype(np.int32)
    left = np.concatenate([in_lanes, in_tail])[:target].astype(np.intp)
    fraction = np.concatenate([lane_fraction, (tail - in_tail).astype(np.float32)])[:target]
    return left, np.minimum(left + 1, source - 1), fraction
