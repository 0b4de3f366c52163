"""Boxes of a level's sliding windows, and bounds on the windows that can overlap a given box.

Source: dlib/image_transforms/fhog.h (fhog_to_image), dlib/image_transforms/image_pyramid.h
(pyramid_down::point_up, pyramid_down_2_1::rect_down) and dlib/geometry/drectangle.h (rounding).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled
from service.recognition.geometry import Rectangle, round_half_away
from service.recognition.hog import fhog
from service.recognition.hog.confirmation import CONFIRMING_OVERLAP
from service.recognition.hog.fhog import BEFORE, CELL
from service.recognition.hog.separable import TAPS
from service.recognition.nms import OverlapRule
from service.recognition.pyramid_down import point_up

Edges = NDArray[np.int64]
_AllEdges = tuple[Edges, Edges, Edges, Edges]
"""Tops, bottoms, lefts and rights, half-open."""
_SLACK = 1 - 1e-9
"""Margin for the rounding of a bound: a window too many costs little time, and a missing one would be an error."""


class Region(NamedTuple):
    """A rectangle of windows of a level, half-open: row `bottom` and column `right` are outside."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def windows(self) -> int:
        """Number of windows."""
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class WindowGrid:
    """Window boxes of one level: rows of windows have a top and a bottom, columns a left and a right edge."""

    tops: Edges
    bottoms: Edges
    lefts: Edges
    rights: Edges
    """Edges in pixels of the doubled photo, inclusive."""

    @classmethod
    def of_level(cls, number: int, rows: int, columns: int) -> "WindowGrid":
        """Grid of the level of this number and of this size in pixels."""
        down, across = fhog.windows(rows, columns)
        vertical, horizontal = _edges(number, down), _edges(number, across)
        ends = TAPS - 1
        return cls(
            vertical[: len(vertical) - ends],
            vertical[ends:],
            horizontal[: len(horizontal) - ends],
            horizontal[ends:],
        )

    @property
    def region(self) -> Region:
        """Region of all windows of the level."""
        return Region(0, len(self.tops), 0, len(self.lefts))

    def box(self, row: int, column: int) -> Rectangle:
        """Box of a window, in pixels of the doubled photo."""
        return Rectangle(
            int(self.lefts[column]), int(self.tops[row]), int(self.rights[column]), int(self.bottoms[row])
        )

    def could_overlap(self, rectangle: Rectangle, rule: OverlapRule) -> Region | None:
        """Region with every window that overlaps a box by the rule, or None. An upper bound.

        Args:
            rectangle: in pixels of the doubled photo.
            rule: the overlap rule of the NMS.
        """
        if self.region.windows == 0:
            return None
        # The bounding box of two boxes is no smaller than the larger one.
        shared = min(
            rule.overlap * max(rectangle.area, self._smallest),
            rule.covered * min(rectangle.area, self._smallest),
        )
        box = (rectangle.top, rectangle.bottom + 1, rectangle.left, rectangle.right + 1)
        return _sharing(self._half_open, box, shared * _SLACK)

    def could_confirm(self, face: Rectangle) -> Region | None:
        """Region with every window that confirms a face, in pixels of the photo, or None. An upper bound."""
        if self.region.windows == 0 or face.right <= face.left or face.bottom <= face.top:
            return None
        area = (face.right - face.left) * (face.bottom - face.top)
        box = (face.top, face.bottom, face.left, face.right)
        shared = CONFIRMING_OVERLAP * max(area, self._smallest_in_photo)
        return _sharing(self._in_photo, box, shared * _SLACK)

    @cached_property
    def _half_open(self) -> _AllEdges:
        return self.tops, self.bottoms + 1, self.lefts, self.rights + 1

    @cached_property
    def _in_photo(self) -> _AllEdges:
        """The edges in pixels of the photo."""
        return (
            photo_rows(self.tops),
            photo_rows(self.bottoms),
            photo_columns(self.lefts),
            photo_columns(self.rights),
        )

    @cached_property
    def _smallest(self) -> int:
        return _smallest(self._half_open)

    @cached_property
    def _smallest_in_photo(self) -> int:
        return _smallest(self._in_photo)


def in_photo(rectangle: Rectangle) -> Rectangle:
    """Map a box from pixels of the doubled photo to pixels of the photo."""
    left, right = photo_columns(np.array([rectangle.left, rectangle.right]))
    top, bottom = photo_rows(np.array([rectangle.top, rectangle.bottom]))
    return Rectangle(int(left), int(top), int(right), int(bottom))


def photo_columns(edges: Edges) -> Edges:
    return round_half_away(edges / 2.0 - 1.25)


def photo_rows(edges: Edges) -> Edges:
    return round_half_away(edges / 2.0 - 0.75)


def _smallest(edges: _AllEdges) -> int:
    """Least area of a window's box."""
    tops, bottoms, lefts, rights = edges
    return int((bottoms - tops).min() * (rights - lefts).min())


def _sharing(edges: _AllEdges, box: tuple[int, int, int, int], area: float) -> Region | None:
    """Region with every window that shares at least this area with the box, or None."""
    region = Region(*_bounds(*edges, *box, area))
    return region if region.windows else None


@compiled((*[types.int64[::1]] * 4, *[types.int64] * 4, types.float64))
def _bounds(
    tops: Edges,
    bottoms: Edges,
    lefts: Edges,
    rights: Edges,
    top: int,
    bottom: int,
    left: int,
    right: int,
    area: float,
) -> tuple[int, int, int, int]:
    """Each axis is bounded on its own, with the largest share that the other axis has."""
    tall, wide = 0, 0
    for row in range(len(tops)):
        tall = max(tall, min(bottoms[row], bottom) - max(tops[row], top))
    for column in range(len(lefts)):
        wide = max(wide, min(rights[column], right) - max(lefts[column], left))
    first_row, end_row, first_column, end_column = 0, 0, 0, 0
    if tall and wide and tall * wide >= area:
        for row in range(len(tops) - 1, -1, -1):
            if (min(bottoms[row], bottom) - max(tops[row], top)) * wide >= area:
                first_row, end_row = row, max(end_row, row + 1)
        for column in range(len(lefts) - 1, -1, -1):
            if (min(rights[column], right) - max(lefts[column], left)) * tall >= area:
                first_column, end_column = column, max(end_column, column + 1)
    return first_row, end_row, first_column, end_column


def _edges(level: int, windows: int) -> Edges:
    """Centres of the cells under a row or column of windows, mapped up to pixels of the doubled photo."""
    if windows == 0:
        return np.empty(TAPS - 1, np.int64)
    corner = (np.arange(windows + TAPS - 1) - (BEFORE - 1)) * CELL + 1
    # Left of the level dlib subtracts half a cell, elsewhere it adds half a cell.
    edge = np.where(corner >= 0, corner + CELL // 2, corner - CELL // 2).astype(np.float64)
    for _ in range(level):
        edge = point_up(edge)
    return round_half_away(edge)
