"""Rectangles in dlib's convention, and intersection over union (IoU)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rectangle(NamedTuple):
    """A rectangle in pixels, origin at the top left, ALL edges inclusive (dlib.rectangle).

    Edges may lie outside the photo: a face at the border has its full box.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Pixels inside, edges included; 0 for an empty rectangle (dlib/geometry/rectangle.h, area)."""
        return max(self.right - self.left + 1, 0) * max(self.bottom - self.top + 1, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a non-empty rectangle."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    def intersection(self, other: "Rectangle") -> "Rectangle":
        return Rectangle(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def intersects(self, other: "Rectangle") -> bool:
        return self.intersection(other).area > 0

    def contains(self, other: "Rectangle") -> bool:
        return self.intersection(other) == other


def intersection_over_union(first: Rectangle, second: Rectangle) -> float:
    """IoU as in the Nextcloud app's models: edges are points, so that widths lack dlib's +1."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_point_area(first) + _point_area(second) - shared)


def _point_area(rectangle: Rectangle) -> int:
    return (rectangle.right - rectangle.left) * (rectangle.bottom - rectangle.top)


def round_half_away(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rounding of C's lround: halves away from zero (numpy's rint rounds halves to even)."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values).astype(np.int64)
