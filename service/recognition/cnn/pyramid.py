"""Layout of dlib's tiled pyramid: every scale of a photo in one image, the tile, over which the network runs once.

Levels are only 10 pixels apart, and the network's receptive field is 189 pixels: a level changes its neighbours'
scores. So the layout is part of the result and equals dlib's to the pixel.

Source: dlib/image_transforms/image_pyramid.h (compute_tiled_image_pyramid_details). `levels` computes the pixels.
"""

import math
from dataclasses import dataclass

from service.recognition.geometry import Rectangle
from service.recognition.pyramid_down import RATE

PADDING = 10
"""Pixels between two levels of a tile (input_rgb_image_pyramid::pyramid_padding, its default)."""
OUTER_PADDING = 11
"""Pixels around a tile (input_rgb_image_pyramid::pyramid_outer_padding, its default)."""
MINIMUM_ROWS = 5
"""A level with fewer rows is left out (min_height in compute_tiled_image_pyramid_details)."""
STEM_FIELD = 29
"""Receptive field of the stem, the three unpadded 5x5 convolutions of stride 2: a smaller tile has no score."""

_UNSIGNED_LONG = (1 << 64) - 1


@dataclass(frozen=True)
class Layout:
    """Size of a tile in pixels, and positions of the pyramid's levels in it."""

    rows: int
    columns: int
    levels: tuple[Rectangle, ...]
    """Boxes in pixels of the tile; the first is the photo itself."""


def layout(rows: int, columns: int) -> Layout | None:
    """The layout for a photo of `rows` x `columns`; None if dlib's detector can find no face in such a photo.

    None has two causes. Either the tile is too small for one score. Or the photo is so narrow that dlib would place
    levels outside of the tile (its release builds then write out of bounds).
    """
    sizes = _level_sizes(rows, columns)
    height = _first_column_height(sizes)
    tile_rows, tile_columns = height + 2 * OUTER_PADDING, columns + 2 * OUTER_PADDING
    if tile_rows < STEM_FIELD or tile_columns < STEM_FIELD:
        return None

    levels: list[Rectangle] = []
    top = OUTER_PADDING
    for level_rows, level_columns in sizes:
        if top >= height + OUTER_PADDING:
            break
        levels.append(Rectangle(OUTER_PADDING, top, OUTER_PADDING + level_columns - 1, top + level_rows - 1))
        top += level_rows + PADDING
    # The second column of levels runs upwards from the lower right corner, flush right.
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


def _level_sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    sizes = [(rows, columns)]
    rate = (RATE - 1.0) / RATE
    while True:
        rows, columns = math.floor(rate * rows), math.floor(rate * columns)
        if rows * columns == 0 or rows < MINIMUM_ROWS:
            return sizes
        sizes.append((rows, columns))


def _first_column_height(sizes: list[tuple[int, int]]) -> int:
    """Rows of the left column of levels, which ends where the next level fits to the right of the level above.

    Dlib compares unsigned numbers here: a difference below zero wraps around to a huge one, and the column ends a level
    earlier or later than the formula reads. The wrap-around is reproduced, since the tile's height follows from it.
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
