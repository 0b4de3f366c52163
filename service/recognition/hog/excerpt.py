"""Rectangles of pixels, and what is read of a picture that need not be there as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Area(NamedTuple):
    """A rectangle of pixels, the ends excluded."""

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
        """The smallest rectangle around both."""
        return Area(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def around(self, inner: "Area") -> Iterator["Area"]:
        """What is left without an area inside of this one: up to four rectangles."""
        above, below = self._replace(bottom=inner.top), self._replace(top=inner.bottom)
        left = Area(inner.top, inner.bottom, self.left, inner.left)
        right = Area(inner.top, inner.bottom, inner.right, self.right)
        return (area for area in (above, below, left, right) if area.pixels)

    def bands(self, rows: int) -> Iterator["Area"]:
        """The area in bands of so many rows; the last has fewer."""
        for top in range(self.top, self.bottom, rows):
            yield self._replace(top=top, bottom=min(top + rows, self.bottom))


@dataclass(frozen=True)
class Excerpt:
    """An area of a picture."""

    pixels: NDArray[np.uint32]
    """Packed, C-contiguous, of the area's shape."""
    top: int
    left: int
    """Where in the picture it begins."""

    @classmethod
    def blank(cls, area: Area) -> "Excerpt":
        """An excerpt whose pixels are still to be written."""
        return cls(np.empty(area.shape, np.uint32), area.top, area.left)

    @property
    def area(self) -> Area:
        rows, columns = self.pixels.shape
        return Area(self.top, self.top + rows, self.left, self.left + columns)

    def at(self, area: Area) -> NDArray[np.uint32]:
        """The pixels of an area inside, to read or to write."""
        top, left = area.top - self.top, area.left - self.left
        rows, columns = area.shape
        return self.pixels[top : top + rows, left : left + columns]
