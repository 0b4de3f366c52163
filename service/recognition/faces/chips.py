"""Dlib's face chips, bit for bit: upright faces of 150 x 150 pixels, the input of the descriptor network.

A chip is cut in two steps. The image around the face is halved until the face is less than about twice as large as in
the chip; then it is sampled along a rotated square. Each face is cut as in a call of dlib for that face alone: faces
of one call share a crop, which moves the phase of the halving and so changes pixels.

Source: get_face_chip_details and extract_image_chips in dlib/image_transforms/interpolation.h.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled
from service.recognition.contract import CHIP_PADDING, CHIP_SIDE
from service.recognition.faces.similarity import Point, affine, similarity
from service.recognition.geometry import Rectangle, round_half_away

Pixels = NDArray[np.uint8]
"""RGB, shape (rows, columns, 3)."""

_MAXIMUM_AREA = CHIP_SIDE * CHIP_SIDE
"""Largest area in pixels of the halved square: while it is larger, the image is halved once more."""
_FIRST_MARGIN = 2.0
"""Margin of the crop around the face in pixels; each halving but the first needs twice as many and two more."""
_TOO_SMALL_TO_HALVE = 8
"""Largest side in pixels that dlib's pyramid_down<2> reduces to none (dlib/image_transforms/image_pyramid.h)."""

_FIVE_POINTS: Sequence[Point] = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
"""Corners of the eyes and base of the nose in dlib's mean face, of width and height 1."""

_INNER_POINTS: Sequence[Point] = (
    *((0.490127, 0.203352), (0.490127, 0.307009), (0.490127, 0.409805), (0.490127, 0.515625)),
    *((0.36688, 0.587326), (0.426036, 0.609345), (0.490127, 0.628106), (0.554217, 0.609345)),
    *((0.613373, 0.587326), (0.121737, 0.216423), (0.187122, 0.178758), (0.265825, 0.179852)),
    *((0.334606, 0.231733), (0.260918, 0.245099), (0.182743, 0.244077), (0.645647, 0.231733)),
    *((0.714428, 0.179852), (0.793132, 0.178758), (0.858516, 0.216423), (0.79751, 0.244077)),
    *((0.719335, 0.245099), (0.254149, 0.780233), (0.340985, 0.745405), (0.428858, 0.727388)),
    *((0.490127, 0.742578), (0.551395, 0.727388), (0.639268, 0.745405), (0.726104, 0.780233)),
    *((0.290379, 0.784792), (0.428096, 0.778746), (0.490127, 0.785343), (0.552157, 0.778746)),
    (0.689874, 0.784792),
)
"""Nose, eyes and upper lip in the same face: the points that dlib uses of 68."""
_INNER = (*range(27, 55), *range(60, 65))
"""Indices of _INNER_POINTS among the 68 points; jaw, brows and lower lip move too much."""

_CHIP_CORNERS = np.array(
    [
        [float.fromhex("-0x1.b7d6c3dda3389p-8"), float.fromhex("-0x1.b7d6c3dda3389p-8"), 1 - 3 * 2.0**-53],
        [float.fromhex("0x1.b7d6c3dda338ap-8"), 0.0, 1.5 * 2.0**-66],
        [2.0**-61, float.fromhex("0x1.b7d6c3dda338ap-8"), 2.0**-65],
    ]
)
"""The pseudoinverse of the chip's corners (0, 0), (149, 0) and (0, 149), as columns x, y, 1: (-1 -1 149; 1 0 0;
0 1 0)/149 with the rounding of dlib's pinv (dlib/matrix/matrix_la.h), on which the value of white pixels depends."""


def cut(image: Pixels, landmarks: NDArray[np.int64]) -> Pixels:
    """Cut the chips of faces.

    Args:
        image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
        landmarks: shape (faces, 5 or 68, 2): x, y in pixels of the image, inside or outside it.

    Returns:
        RGB, uint8, shape (faces, 150, 150, 3); black outside the image.

    Raises:
        ValueError: another number of landmarks.
    """
    chips = np.empty((len(landmarks), CHIP_SIDE, CHIP_SIDE, 3), np.uint8)
    for chip, points in zip(chips, landmarks, strict=True):
        source, part, square = _halved(image, _square(points.tolist()))
        corners = np.array(square.corners()[:3]).T
        _interpolate(source, *part, affine(_CHIP_CORNERS, corners), chip)
    return chips


class _Square(NamedTuple):
    """A square in float pixels (drectangle), and its rotation in radians about its centre."""

    left: float
    top: float
    right: float
    bottom: float
    angle: float

    @property
    def area(self) -> float:
        """Area with edges included, for edges in ascending order."""
        return (self.right - self.left + 1) * (self.bottom - self.top + 1)

    def halved(self) -> "_Square":
        """The square in the halved image (pyramid_down_2_1::rect_down)."""
        x, other_x = self.left / 2 - 1.25, self.right / 2 - 1.25
        y, other_y = self.top / 2 - 0.75, self.bottom / 2 - 0.75
        # Coincident landmarks give a square whose right edge is left of its left one; dlib sorts the edges here.
        return _Square(min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y), self.angle)

    def shifted(self, x: int, y: int) -> "_Square":
        return _Square(self.left + x, self.top + y, self.right + x, self.bottom + y, self.angle)

    def corners(self) -> list[Point]:
        """Upper left, upper right, lower left and lower right corner, rotated."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        centre_x, centre_y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        edges = [
            (x - centre_x, y - centre_y) for y in (self.top, self.bottom) for x in (self.left, self.right)
        ]
        return [(cosine * x - sine * y + centre_x, sine * x + cosine * y + centre_y) for x, y in edges]


def _mean_faces() -> dict[int, tuple[Sequence[int], list[Point]]]:
    """Number of landmarks -> indices of the landmarks that a chip uses, and their positions in it."""
    factor = 2 * CHIP_PADDING + 1
    # Dlib divides five points as vectors, by multiplication with the reciprocal, and the others as numbers.
    five = [
        ((CHIP_PADDING + x) * (1 / factor) * CHIP_SIDE, (CHIP_PADDING + y) * (1 / factor) * CHIP_SIDE)
        for x, y in _FIVE_POINTS
    ]
    inner = [
        ((CHIP_PADDING + x) / factor * CHIP_SIDE, (CHIP_PADDING + y) / factor * CHIP_SIDE)
        for x, y in _INNER_POINTS
    ]
    return {5: (range(5), five), 68: (_INNER, inner)}


_MEAN_FACES = _mean_faces()


def _square(points: Sequence[Point]) -> _Square:
    """The chip's square in the image (chip_details' constructor from two lists of points). Raises ValueError."""
    if len(points) not in _MEAN_FACES:
        raise ValueError(f"a chip is cut by 5 or 68 landmarks, not by {len(points)}")
    used, mean_face = _MEAN_FACES[len(points)]
    transform = similarity(mean_face, [points[number] for number in used])
    x, y = transform.xx * 1.0 + transform.xy * 0.0, transform.yx * 1.0 + transform.yy * 0.0
    half = (CHIP_SIDE * math.sqrt(x * x + y * y) - 1) / 2
    centre_x, centre_y = transform.of(CHIP_SIDE / 2, CHIP_SIDE / 2)
    return _Square(centre_x - half, centre_y - half, centre_x + half, centre_y + half, math.atan2(y, x))


def _halved(image: Pixels, square: _Square) -> tuple[Pixels, Rectangle, _Square]:
    """The image around a square, halved as often as in dlib.

    Returns:
        An image, the part of it to sample, and the square in that part's coordinates.
    """
    part = _crop(square, *image.shape[:2])
    square = square.shifted(-part.left, -part.top)
    while (smaller := square.halved()).area > _MAXIMUM_AREA:
        image, square = _half(image, part), smaller
        part = Rectangle(0, 0, image.shape[1] - 1, image.shape[0] - 1)
    return image, part, square


def _crop(square: _Square, rows: int, columns: int) -> Rectangle:
    """The upright rectangle of whole pixels around a square, with a margin for the halving, inside the image."""
    margin = _FIRST_MARGIN
    halved = square.halved()
    while halved.area > _MAXIMUM_AREA:
        halved = halved.halved()
        margin = 2 * margin + 2
    x, y = zip(*square.corners(), strict=True)
    edges = (
        *(max(min(x) - margin, 0.0), max(min(y) - margin, 0.0)),
        *(min(max(x) + margin, columns - 1.0), min(max(y) + margin, rows - 1.0)),
    )
    crop = Rectangle(*round_half_away(np.array(edges)).tolist())
    return crop if crop.area else Rectangle(0, 0, -1, -1)


def _half(image: Pixels, part: Rectangle) -> Pixels:
    """The part halved by a 5x5 binomial filter with stride 2, from its third row and column on.

    Source: pyramid_down_2_1 in dlib/image_transforms/image_pyramid.h.
    """
    rows, columns = part.bottom - part.top + 1, part.right - part.left + 1
    if rows <= _TOO_SMALL_TO_HALVE or columns <= _TOO_SMALL_TO_HALVE:
        return np.empty((0, 0, 3), np.uint8)
    half = np.empty(((rows - 3) // 2, (columns - 3) // 2, 3), np.uint8)
    _filter(image.reshape(len(image), -1), part.top, 3 * part.left, half)
    return half


_IMAGE = types.Array(types.uint8, 3, "C", readonly=True)
_IMAGE_ROWS = types.Array(types.uint8, 2, "C", readonly=True)
_TRANSFORM = types.Array(types.float64, 2, "C", readonly=True)


@compiled(types.void(_IMAGE_ROWS, types.int64, types.int64, types.uint8[:, :, ::1]))
def _filter(image: Pixels, top: int, first_byte: int, half: Pixels) -> None:
    """Halve one part from this row and byte on, in integers: sums are at most 256 x 255, and quotients are floored.

    Numba adds bytes as 64-bit integers; numpy would wrap around.
    """
    bytes_needed = 3 * (2 * half.shape[1] + 3)
    sums = np.empty(bytes_needed, np.uint16)
    for row in range(half.shape[0]):
        # One array per row, so that the compiler vectorises the additions.
        start, end = top + 2 * row, first_byte + bytes_needed
        first = image[start, first_byte:end]
        second = image[start + 1, first_byte:end]
        third = image[start + 2, first_byte:end]
        fourth = image[start + 3, first_byte:end]
        fifth = image[start + 4, first_byte:end]
        for byte in range(bytes_needed):
            sums[byte] = first[byte] + fifth[byte] + 4 * (second[byte] + fourth[byte]) + 6 * third[byte]
        for column in range(half.shape[1]):
            for colour in range(3):
                place = 6 * column + colour
                total = sums[place] + sums[place + 12] + 6 * sums[place + 6]
                half[row, column, colour] = (total + 4 * (sums[place + 3] + sums[place + 9])) >> 8


@compiled(
    types.void(
        *(_IMAGE, types.int64, types.int64, types.int64, types.int64),
        *(_TRANSFORM, types.uint8[:, :, ::1]),
    )
)
def _interpolate(
    image: Pixels, left: int, top: int, right: int, bottom: int, transform: NDArray[np.float64], chip: Pixels
) -> None:
    """Fill a chip by bilinear interpolation in float64, truncated; black without all four neighbours.

    `transform`, shape (2, 3), maps a chip's column and row to x and y in the part of the image. The part's four edges
    are inclusive.

    Source: transform_image and interpolate_bilinear in dlib/image_transforms/interpolation.h.
    """
    xs, ys = np.empty(chip.shape[1]), np.empty(chip.shape[1])
    columns, rows = np.empty(chip.shape[1]), np.empty(chip.shape[1])
    for row in range(chip.shape[0]):
        for column in range(chip.shape[1]):  # apart from the next loop, so that the compiler vectorises it
            x = transform[0, 0] * column + transform[0, 1] * row + transform[0, 2]
            y = transform[1, 0] * column + transform[1, 1] * row + transform[1, 2]
            columns[column], rows[column] = np.floor(x), np.floor(y)
            xs[column], ys[column] = x - columns[column], y - rows[column]
        for column in range(chip.shape[1]):
            x, y = xs[column], ys[column]
            first_column, first_row = np.int64(columns[column]) + left, np.int64(rows[column]) + top
            if not (left <= first_column < right and top <= first_row < bottom):
                chip[row, column, 0] = chip[row, column, 1] = chip[row, column, 2] = 0
                continue
            upper, lower = image[np.uintp(first_row)], image[np.uintp(first_row + 1)]
            one, other = np.uintp(first_column), np.uintp(first_column + 1)
            for colour in range(3):
                above = (1 - x) * upper[one, colour] + x * upper[other, colour]
                below = (1 - x) * lower[one, colour] + x * lower[other, colour]
                chip[row, column, colour] = np.uint8((1 - y) * above + y * below)
