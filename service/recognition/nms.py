"""When two boxes are one face, as dlib's detectors see it, and which of many boxes are faces then.

Source: dlib/image_processing/box_overlap_testing.h (test_box_overlap).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]
"""Shape (boxes, 4): left, top, right and bottom of each, as a Rectangle has them."""


@dataclass(frozen=True)
class OverlapRule:
    """The two thresholds that a detector's file carries."""

    overlap: float
    """Intersection over BOUNDING box (not union) above which they are."""
    covered: float
    """Share of either box that, once inside the other, makes them the same face."""

    def same_face(self, box: NDArray[np.int64], others: Boxes) -> NDArray[np.bool_]:
        """For each of the others, whether it is the same face as a box of shape (4,)."""
        starts, ends = others[:, :2], others[:, 2:]
        shared = _areas(np.maximum(starts, box[:2]), np.minimum(ends, box[2:]))
        bounding = _areas(np.minimum(starts, box[:2]), np.maximum(ends, box[2:]))
        own, theirs = _areas(box[None, :2], box[None, 2:]), _areas(starts, ends)
        # An empty box shares nothing, whatever that is divided by.
        return (
            (shared / np.maximum(bounding, 1) > self.overlap)
            | (shared / np.maximum(own, 1) > self.covered)
            | (shared / np.maximum(theirs, 1) > self.covered)
        )

    def survivors(self, boxes: Boxes) -> list[int]:
        """The numbers of the boxes that are faces: each one, the surest first, unless it is the face of one before."""
        kept: list[int] = []
        left = np.arange(len(boxes))
        while len(left):
            kept.append(int(left[0]))
            left = left[1:][~self.same_face(boxes[left[0]], boxes[left[1:]])]
        return kept


def _areas(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels between corners, edges included; 0 where there are none (Rectangle.area)."""
    sides = np.maximum(ends - starts + 1, 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.int64)
