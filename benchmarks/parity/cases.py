"""Faces whose two answers differ most, each with the part of the photo around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.faces import AnsweredFace

Image = NDArray[np.uint8]

MARGIN = 0.6
"""Width of the part of the photo around the faces, as a share of their size."""


@dataclass(frozen=True)
class Case:
    """A face whose two answers differ.

    Args:
        photo: the photo's file name.
        says: one sentence on what differs.
        reference: the baseline's answer; None: it found no such face.
        candidate: the measured one; None: it found no such face.
        image: RGB, uint8, shape (rows, columns, 3), to be drawn on; None: the page does not show the photo.
        corner: x and y, in the photo that the answers speak of, of the image's first pixel.
    """

    photo: str
    says: str
    reference: AnsweredFace | None
    candidate: AnsweredFace | None
    image: Image | None = None
    corner: tuple[int, int] = (0, 0)


def cut_out(
    photo: str, says: str, reference: AnsweredFace | None, candidate: AnsweredFace | None, pixels: Image
) -> Case:
    """A case with what the photo shows around the faces, copied so that the photo itself can be let go.

    Args:
        pixels: the photo: RGB, uint8, shape (rows, columns, 3).
    """
    boxes = [face.rectangle for face in (reference, candidate) if face is not None]
    rows, columns = pixels.shape[:2]
    if not boxes:
        return Case(photo, says, reference, candidate, pixels.copy())
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    margin = round(MARGIN * max(right - left, bottom - top))
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin + 1, columns), min(bottom + margin + 1, rows)
    if right <= left or bottom <= top:  # a box that lies outside of the photo altogether
        return Case(photo, says, reference, candidate, pixels.copy())
    return Case(photo, says, reference, candidate, pixels[top:bottom, left:right].copy(), (left, top))
