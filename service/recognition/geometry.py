"""Rectangles in dlib's convention, and how much two of them overlap."""

from typing import NamedTuple


class Rectangle(NamedTuple):
    """A rectangle in pixels of the photo, origin at the top left, ALL edges inclusive (dlib.rectangle).

    Edges may lie outside of the photo: a face at the border has its full box.
    """

    left: int
    top: int
    right: int
    bottom: int
