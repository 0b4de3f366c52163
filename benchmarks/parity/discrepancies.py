"""Discrepancies between candidate and reference: faces that differ most, with the photo around them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.faces import AnsweredFace

Image = NDArray[np.uint8]

MARGIN = 0.6
"""Margin of a crop around the faces, as a share of their size."""


@dataclass(frozen=True)
class Discrepancy:
    """Face on which reference and candidate differ.

    Args:
        photo: the photo's file name.
        summary: the difference in a few words.
        reference: the baseline's face; None: it found none there.
        candidate: the candidate's face; None: it found none there.
        image: crop of the photo, RGB, uint8, shape (rows, columns, 3); None: not shown.
        corner: x and y of the crop's first pixel, in the coordinates of the faces.
    """

    photo: str
    summary: str
    reference: AnsweredFace | None
    candidate: AnsweredFace | None
    image: Image | None = None
    corner: tuple[int, int] = (0, 0)


def cut_out(
    photo: str, summary: str, reference: AnsweredFace | None, candidate: AnsweredFace | None, pixels: Image
) -> Discrepancy:
    """Discrepancy with a crop around the faces, copied so that the photo can be freed.

    Args:
        pixels: the photo: RGB, uint8, shape (rows, columns, 3).
    """
    boxes = [face.rectangle for face in (reference, candidate) if face is not None]
    rows, columns = pixels.shape[:2]
    if not boxes:
        return Discrepancy(photo, summary, reference, candidate, pixels.copy())
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    margin = round(MARGIN * max(right - left, bottom - top))
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin + 1, columns), min(bottom + margin + 1, rows)
    if right <= left or bottom <= top:  # a box entirely outside the photo
        return Discrepancy(photo, summary, reference, candidate, pixels.copy())
    return Discrepancy(
        photo, summary, reference, candidate, pixels[top:bottom, left:right].copy(), (left, top)
    )
