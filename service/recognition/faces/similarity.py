"""Dlib's similarity and affine transforms between points, bit for bit.

Coordinates that differ in their last bit can give different chips: on evenly white pixels, dlib's interpolation gives
254.99999999999997 or 255 by that bit, and truncates it. So the code is not the textbook formula, but the sequence of
float64 operations of a dlib without LAPACK.
"""

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""x, y."""

_EPSILON = sys.float_info.epsilon
_MINIMUM_SQUARE = sys.float_info.min / _EPSILON
"""Sums of squares below it count as zero (svd4 in dlib/matrix/matrix_la.h, tol)."""
_MAXIMUM_ITERATIONS = 300


class Affine(NamedTuple):
    """An affine transform: x' = xx x + xy y + x0, y' = yx x + yy y + y0."""

    xx: float
    xy: float
    yx: float
    yy: float
    x0: float
    y0: float

    def of(self, x: float, y: float) -> Point:
        return self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0


def similarity(source: Sequence[Point], target: Sequence[Point]) -> Affine:
    """The similarity transform (rotation, scale, shift) of `source` to `target` with the least squared error.

    Each has at least two points.

    Source: find_similarity_transform in dlib/geometry/point_transforms.h, after Umeyama's equations 34 to 43.
    """
    count = len(source)
    from_x, from_y = (_sum(coordinates) / count for coordinates in zip(*source, strict=True))
    to_x, to_y = (_sum(coordinates) / count for coordinates in zip(*target, strict=True))
    spread = xx = xy = yx = yy = 0.0
    for (x, y), (u, v) in zip(source, target, strict=True):
        x, y, u, v = x - from_x, y - from_y, u - to_x, v - to_y
        spread += x * x + y * y
        xx += u * x
        xy += u * y
        yx += v * x
        yy += v * y
    spread /= count
    share = 1.0 / count  # dlib divides a matrix by multiplying with the reciprocal
    xx, xy, yx, yy = xx * share, xy * share, yx * share, yy * share

    (u_rows, (first, second), v_rows) = _singular_values(xx, xy, yx, yy)
    first_sign = second_sign = 1.0
    determinant = xx * yy - xy * yx
    if determinant < 0 or (determinant == 0 and _determinant(u_rows) * _determinant(v_rows) < 0):
        if second < first:
            second_sign = -1.0
        else:
            first_sign = -1.0
    scale = 1.0
    if spread != 0:
        scale = 1.0 / spread * (first * first_sign + second * second_sign)
    (xx, xy), (yx, yy) = (
        [u0 * first_sign * v0 + u1 * second_sign * v1 for v0, v1 in v_rows] for u0, u1 in u_rows
    )
    x0 = to_x - (xx * from_x + xy * from_y) * scale
    y0 = to_y - (yx * from_x + yy * from_y) * scale
    return Affine(xx * scale, xy * scale, yx * scale, yy * scale, x0, y0)


def affine(inverse: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Affine transforms from three fixed points to `targets`.

    Args:
        inverse: the pseudoinverse of the fixed points' matrix (columns x, y, 1), float64, shape (3, 3).
        targets: x, y of each transformed point, float64, shape (..., 2, 3).

    Returns:
        Shape (..., 2, 3): the matrix, and the shift as its last column.

    Source: find_affine_transform in dlib/geometry/point_transforms.h.
    """
    products = targets[..., :, :, None] * inverse
    return products[..., 0, :] + products[..., 1, :] + products[..., 2, :]


def _sum(values: Sequence[float]) -> float:
    """Sum in the order of the values; the built-in sum compensates rounding from Python 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


_Rows = list[list[float]]


def _determinant(rows: _Rows) -> float:
    return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]


def _singular_values(a: float, b: float, c: float, d: float) -> tuple[_Rows, tuple[float, float], _Rows]:
    """Singular value decomposition: U, the singular values in no order, and V of the matrix (a b, c d).

    Golub and Reinsch's method ("Handbook for Automatic Computation" II), for two rows and columns: Householder
    reflections to an upper bidiagonal matrix, then rotations until it is diagonal. Source: svd4 in
    dlib/matrix/matrix_la.h.
    """
    # The reflections leave the matrix (first, above; 0, second). They are kept in u meanwhile.
    first = above = second = 0.0
    square = a * a + c * c
    if square >= _MINIMUM_SQUARE:
        first = _opposite_root(square, a)
        divisor = a * first - square
        a -= first
        factor = (a * b + c * d) / divisor
        b += factor * a
        d += factor * c
    largest = abs(first)
    v = [[1.0, 0.0], [0.0, 1.0]]
    square = b * b
    if square >= _MINIMUM_SQUARE:
        above = _opposite_root(square, b)
        divisor = b * above - square
        b -= above
        d += d * b * (b / divisor)
        # A reflection of one column: -1, but for rounding.
        v[1][1] += b * (b / (b * above))
    square = d * d
    if square >= _MINIMUM_SQUARE:
        second = _opposite_root(square, d)
        d -= second
    largest = max(largest, abs(second) + abs(above))

    d = d / second + 1.0 if second != 0 else 1.0
    b = 0.0
    if first != 0:
        factor = c * d / (a * first)
        b += factor * a
        d += factor * c
        a, c = a / first, c / first
    else:
        a = c = 0.0
    u = [[a + 1.0, b], [c, d]]

    negligible = _EPSILON * largest
    for _ in range(_MAXIMUM_ITERATIONS):
        if abs(above) <= negligible:
            break
        if abs(first) <= negligible:
            root = math.sqrt(above * above + second * second)
            _rotate(u, second / root, -above / root)
            second = root
            break
        # Shift from the lower right minor, then one QR step.
        x, y, z, h = first, first, second, above
        f = ((y - z) * (y + z) + (0.0 - h) * (0.0 + h)) / (2 * h * y)
        g = math.sqrt(f * f + 1.0)
        f = ((x - z) * (x + z) + h * (y / (f - g if f < 0 else f + g) - h)) / x
        cosine = sine = 1.0
        g, y = above, second
        h, g = sine * g, g * cosine
        z = math.sqrt(f * f + h * h)
        cosine, sine = f / z, h / z
        f, g = x * cosine + g * sine, -x * sine + g * cosine
        h, y = y * sine, y * cosine
        _rotate(v, cosine, sine)
        first = z = math.sqrt(f * f + h * h)
        if z != 0:
            cosine, sine = f / z, h / z
        above, second = cosine * g + sine * y, -sine * g + cosine * y
        _rotate(u, cosine, sine)

    if second < 0:
        second, v[0][1], v[1][1] = -second, -v[0][1], -v[1][1]
    if first < 0:
        first, v[0][0], v[1][0] = -first, -v[0][0], -v[1][0]
    return u, (first, second), v


def _opposite_root(square: float, pivot: float) -> float:
    """The square root with the sign opposite to the pivot's."""
    return math.sqrt(square) if pivot < 0 else -math.sqrt(square)


def _rotate(rows: _Rows, cosine: float, sine: float) -> None:
    for row in rows:
        y, z = row
        row[0], row[1] = y * cosine + z * sine, -y * sine + z * cosine
