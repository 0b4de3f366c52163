"""Synthetic pictures: drawn faces and smooth noise, with equal bytes on every machine. They take the place of photos.

The converter validates its graphs on them, and the service tries the scan and a device on one at its start. They are
drawn with operations that IEEE 754 rounds exactly, and with numpy's RandomState, whose sequence is fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""RGB, shape (rows, columns, 3)."""
Colour = tuple[float, float, float]

SEED = 20
_SKIN: Sequence[Colour] = ((215, 165, 140), (235, 190, 165), (160, 110, 80), (110, 75, 55))
_HAIR: Sequence[Colour] = ((60, 40, 30), (25, 20, 20), (190, 160, 100), (140, 140, 145))


@dataclass(frozen=True)
class _Ellipse:
    """Centre and radii in units of the face's width; `softness` is the width of its edge relative to the radius."""

    x: float
    y: float
    across: float
    down: float
    softness: float
    colour: Colour


def scenes() -> list[Picture]:
    """Pictures of several shapes with zero, one and two drawn faces, some of them at the border."""
    state = np.random.RandomState(SEED + 1)
    flat = np.full((240, 240, 3), (90, 110, 130), np.uint8)
    portrait = smooth_noise(state, 211, 157, cell=90)
    landscape = smooth_noise(state, 190, 333, cell=120)
    noise = smooth_noise(state, 128, 161, cell=7)
    draw_face(flat, (120, 120), 120, 0)
    draw_face(portrait, (78, 100), 100, 1)
    draw_face(landscape, (90, 96), 110, 0)
    draw_face(landscape, (250, 80), 125, 4)
    return [flat, portrait, landscape, noise]


def group() -> Picture:
    """A picture of 0.2 megapixels with six drawn faces of three sizes, quickly drawn.

    Of the CNN detector's 11,592 scores, some 190 lie above -1, and 110 of them are faces.
    """
    row = smooth_noise(np.random.RandomState(SEED + 2), 200, 510, cell=50)
    for number in range(3):
        face = row[:, 170 * number : 170 * (number + 1)]
        draw_face(face, (85, 104), 105 + 25 * number, number)
    return np.ascontiguousarray(np.concatenate([row, row[:, ::-1]]))


def one_face() -> Picture:
    """The largest face of `group`, alone, for an adapter that takes a minute for the whole of it.

    Of the CNN detector's 1,974 scores, 17 are faces; the largest is 1.03.
    """
    return np.ascontiguousarray(group()[:200, 340:])


def typical_photo() -> Picture:
    """A picture of one megapixel with one drawn face, for times: nearly all of a photo is far from a face."""
    picture = np.ascontiguousarray(smooth_noise(np.random.RandomState(SEED + 3), 860, 1160, cell=200))
    draw_face(picture[300:600, 400:700], (150, 160), 170, 1)
    return picture


def smooth_noise(state: np.random.RandomState, rows: int, columns: int, cell: int) -> Picture:
    """Random colours on a grid of `cell` pixels, blended linearly between its points."""
    grid = state.randint(0, 256, (rows // cell + 2, columns // cell + 2, 3)).astype(np.float64)
    down, across = np.arange(rows) / cell, np.arange(columns) / cell
    row, column = down.astype(np.intp), across.astype(np.intp)
    lower, right = (down - row)[:, None, None], (across - column)[None, :, None]
    upper_edge = grid[row][:, column] * (1 - right) + grid[row][:, column + 1] * right
    lower_edge = grid[row + 1][:, column] * (1 - right) + grid[row + 1][:, column + 1] * right
    blended = upper_edge * (1 - lower) + lower_edge * lower
    return blended.astype(np.uint8)


def draw_face(picture: Picture, centre: tuple[float, float], width: float, variant: int) -> None:
    """Draw a frontal face into `picture`, centre (x, y) and width in pixels; `variant` selects its colours.

    Hair, neck, head, brows, eyes, nose and mouth: the simplest drawing that the detector finds.
    """
    rows, columns = picture.shape[:2]
    x = (np.arange(columns)[None, :] - centre[0]) / width
    y = (np.arange(rows)[:, None] - centre[1]) / width
    canvas = picture.astype(np.float64)
    for ellipse in _face(_SKIN[variant % len(_SKIN)], _HAIR[variant // 2 % len(_HAIR)]):
        radius = np.sqrt(((x - ellipse.x) / ellipse.across) ** 2 + ((y - ellipse.y) / ellipse.down) ** 2)
        cover = np.clip((1 - radius) / ellipse.softness + 0.5, 0, 1)[:, :, None]
        canvas = canvas * (1 - cover) + np.array(ellipse.colour) * cover
    picture[...] = canvas.astype(np.uint8)


def _face(skin: Colour, hair: Colour) -> list[_Ellipse]:
    red, green, blue = skin
    flush, shadow = (red, green * 0.9, blue * 0.92), (red * 0.88, green * 0.85, blue * 0.82)
    ellipses = [
        _Ellipse(0, -0.15, 0.5, 0.62, 0.1, hair),
        _Ellipse(0, 0.75, 0.25, 0.3, 0.08, shadow),
        _Ellipse(0, 0.02, 0.42, 0.56, 0.12, skin),
    ]
    for side in (-1, 1):
        ellipses += [
            _Ellipse(side * 0.18, -0.2, 0.11, 0.03, 0.5, hair),
            _Ellipse(side * 0.18, -0.1, 0.09, 0.045, 0.4, (245, 240, 235)),
            _Ellipse(side * 0.18, -0.1, 0.04, 0.045, 0.4, (50, 35, 30)),
            _Ellipse(side * 0.045, 0.13, 0.03, 0.02, 0.6, (red * 0.56, green * 0.42, blue * 0.43)),
            _Ellipse(side * 0.22, 0.12, 0.1, 0.08, 0.9, flush),
        ]
    return [
        *ellipses,
        _Ellipse(0, 0.02, 0.035, 0.13, 0.9, (min(red + 13, 255), min(green + 15, 255), min(blue + 15, 255))),
        _Ellipse(0, 0.28, 0.15, 0.04, 0.4, (red * 0.81, green * 0.48, blue * 0.57)),
        _Ellipse(0, 0.275, 0.14, 0.01, 0.5, (red * 0.51, green * 0.24, blue * 0.32)),
    ]
