"""Dlib's non-maximum suppression (NMS): overlap thresholds, and the boxes that remain.

Source: dlib/image_processing/box_overlap_testing.h (test_box_overlap).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]
"""Shape (boxes, 4): left, top, right and bottom of each, in the convention of Rectangle."""


@dataclass(frozen=True)
class OverlapRule:
    """The two overlap thresholds in a detector's file. Boxes beyond either of them are the same face."""

    overlap: float
    """Intersection over BOUNDING box (not over the union, as IoU)."""
    covered: float
    """Share of either box that lies inside the other."""

    def same_face(self, box: NDArray[np.int64], others: Boxes) -> NDArray[np.bool_]:
        """Mask of the boxes that overlap `box`, of shape (4,), beyond a threshold. Shape (others,)."""
        starts, ends = others[:, :2], others[:, 2:]
        shared = _areas(np.maximum(starts, box[:2]), np.minimum(ends, box[2:]))
        bounding = _areas(np.minimum(starts, box[:2]), np.maximum(ends, box[2:]))
        box_area, other_areas = _areas(box[None, :2], box[None, 2:]), _areas(starts, ends)
        # An empty box shares 0 pixels; the maximum avoids a division by zero.
        return (
            (shared / np.maximum(bounding, 1) > self.overlap)
            | (shared / np.maximum(box_area, 1) > self.covered)
            | (shared / np.maximum(other_areas, 1) > self.covered)
        )

    def non_maximum_suppression(self, boxes: Boxes) -> list[int]:
        """Indices of the boxes that remain, of boxes in descending confidence.

        A box is suppressed if it is the same face as a remaining box before it.
        """
        kept: list[int] = []
        remaining = np.arange(len(boxes))
        while len(remaining):
            kept.append(int(remaining[0]))
            others = remaining[1:]
            remaining = others[~self.same_face(boxes[remaining[0]], boxes[others])]
        return kept


def _areas(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels between corners, edges included; 0 for an empty box (Rectangle.area)."""
    sides = np.maximum(ends - starts + 1, 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.int64)
