"""Discrepancies between candidate and reference: faces that differ most, with the photo around them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.parity.comparison import Problem

Image = NDArray[np.uint8]

MARGIN = 0.6
"""Margin of a crop around the faces, as a share of their size."""


@dataclass(frozen=True)
class Discrepancy:
    """Face on which reference and candidate differ, for the report.

    Args:
        problem: the difference and both sides' faces.
        image: crop of the photo, RGB, uint8, shape (rows, columns, 3); None: not shown.
        corner: x and y of the crop's first pixel, in the coordinates of the faces.
    """

    problem: Problem
    image: Image | None = None
    corner: tuple[int, int] = (0, 0)


def cut_out(problem: Problem, pixels: Image) -> Discrepancy:
    """Discrepancy with a crop around the faces, copied so that the photo can be freed.

    Args:
        problem: the difference.
        pixels: its photo: RGB, uint8, shape (rows, columns, 3).
    """
    boxes = [face.rectangle for face in (problem.reference, problem.candidate) if face is not None]
    rows, columns = pixels.shape[:2]
    if not boxes:
        return Discrepancy(problem, pixels.copy())
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    margin = round(MARGIN * max(right - left, bottom - top))
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin + 1, columns), min(bottom + margin + 1, rows)
    if right <= left or bottom <= top:  # a box entirely outside the photo
        return Discrepancy(problem, pixels.copy())
    return Discrepancy(problem, pixels[top:bottom, left:right].copy(), (left, top))
