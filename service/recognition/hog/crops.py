"""Half-open rectangles of pixels (`Area`) and crops of an image that remember their place in it (`Crop`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Area(NamedTuple):
    """A rectangle of pixels, half-open: `bottom` and `right` are outside."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def contains(self, other: "Area") -> bool:
        return (
            self.top <= other.top
            and self.bottom >= other.bottom
            and self.left <= other.left
            and self.right >= other.right
        )

    def bounding(self, other: "Area") -> "Area":
        """Bounding box of both areas."""
        return Area(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def minus(self, inner: "Area") -> Iterator["Area"]:
        """Up to four areas that cover this area except for `inner`, an area inside of it."""
        above, below = self._replace(bottom=inner.top), self._replace(top=inner.bottom)
        left = Area(inner.top, inner.bottom, self.left, inner.left)
        right = Area(inner.top, inner.bottom, inner.right, self.right)
        return (area for area in (above, below, left, right) if area.pixels)

    def bands(self, rows: int) -> Iterator["Area"]:
        """Split into bands of `rows` rows; the last band may have fewer."""
        for top in range(self.top, self.bottom, rows):
            yield Area(top, min(top + rows, self.bottom), self.left, self.right)


@dataclass(frozen=True)
class Crop:
    """A crop of an image, and its place in it."""

    pixels: NDArray[np.uint32]
    """Packed pixels (`packed_pixels`), C-contiguous, of the area's shape."""
    top: int
    left: int
    """Position of the first pixel in the image."""

    @classmethod
    def empty(cls, area: Area) -> "Crop":
        """A crop of uninitialised pixels."""
        return cls(np.empty(area.shape, np.uint32), area.top, area.left)

    @property
    def area(self) -> Area:
        rows, columns = self.pixels.shape
        return Area(self.top, self.top + rows, self.left, self.left + columns)

    def view(self, area: Area) -> NDArray[np.uint32]:
        """View of an area inside of the crop; `area` is in coordinates of the image."""
        top, left = area.top - self.top, area.left - self.left
        rows, columns = area.shape
        return self.pixels[top : top + rows, left : left + columns]
