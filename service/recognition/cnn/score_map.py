"""Faces of the CNN detector's score map: boxes in the photo, and dlib's non-maximum suppression (NMS) of them.

Source: dlib/dnn/loss.h (loss_mmod_::tensor_to_dets, to_label) and dlib/image_transforms/image_pyramid.h
(tiled_pyramid_to_image).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import STEM_FIELD, Layout
from service.recognition.contract import Detection
from service.recognition.geometry import Rectangle, round_half_away
from service.recognition.nms import Boxes, OverlapRule
from service.recognition.pyramid_down import point_up

STRIDE = 8
"""Pixels of the tile between two scores: three convolutions of stride 2."""
HEAD_KERNELS = (5, 5, 5, 9)
"""Rows and columns of the kernels of the head's convolutions, which have a stride of 1."""
HEAD_RADIUS = sum(kernel // 2 for kernel in HEAD_KERNELS)
"""Features on each side of a score in the head's receptive field: 10."""
FIRST_CENTRE = 14
"""Score (c, r) is centred on tile pixel (8c + 14, 8r + 14): three unpadded 5x5 convolutions of stride 2, then padded
convolutions (output_tensor_to_input_tensor in dlib/dnn/core.h)."""


@dataclass(frozen=True)
class DetectorWindow:
    """Box, overlap rule and threshold of a detector's file (mmod_options in dlib/dnn/loss.h)."""

    width: int
    height: int
    """Size in pixels of the level on which a face is found."""
    rule: OverlapRule
    """Overlap above which the box of lower confidence is suppressed."""
    threshold: float = 0.0
    """A score above it is a face (adjust_threshold of loss_mmod_::to_label)."""


class Candidates(NamedTuple):
    """Scores above a threshold, each array of shape (candidates,), in ascending order of row and column in the map."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: NDArray[np.float32]


def map_size(size: int) -> int:
    """Rows or columns of the score map of a tile of `size` rows or columns."""
    return (size - STEM_FIELD) // STRIDE + 1


def detections_of_map(scores: NDArray[np.float32], layout: Layout, window: DetectorWindow) -> list[Detection]:
    """Faces of a score map, in descending confidence.

    Args:
        scores: shape (rows, columns), the detector's output for one tile.
        layout: the layout of that tile.
        window: the detector's window, overlap rule and threshold.
    """
    rows, columns = np.nonzero(scores > window.threshold)
    return detections_of_candidates(Candidates(rows, columns, scores[rows, columns]), layout, window)


def detections_of_candidates(
    candidates: Candidates, layout: Layout, window: DetectorWindow
) -> list[Detection]:
    """Faces of all scores above the threshold, in descending confidence.

    Args:
        candidates: the scores, with their rows and columns in the map.
        layout: the layout of the tile.
        window: the detector's window and overlap rule.
    """
    order = np.argsort(-candidates.scores, kind="stable")
    boxes = _boxes_in_photo(candidates.columns[order], candidates.rows[order], layout, window)
    return [
        Detection(Rectangle(*boxes[number].tolist()), float(candidates.scores[order[number]]))
        for number in window.rule.non_maximum_suppression(boxes)
    ]


def _boxes_in_photo(
    columns: NDArray[np.int64], rows: NDArray[np.int64], layout: Layout, window: DetectorWindow
) -> Boxes:
    """The box around each score, mapped from its level to the photo."""
    points = STRIDE * np.stack([columns, rows], axis=1) + FIRST_CENTRE
    levels = np.array(layout.levels)
    numbers = _nearest_levels(points, levels)
    from_centre = (np.array([window.width, window.height]) - 1) / 2
    in_level = points - levels[numbers, :2]
    corners = np.concatenate([in_level - from_centre, in_level + from_centre], axis=1)
    return round_half_away(_to_photo(corners, numbers))


def _nearest_levels(points: NDArray[np.int64], levels: Boxes) -> NDArray[np.int64]:
    """Number of the level at each point (x, y in the tile); in a gap, the nearest level (nearest_rect, rectangle.h)."""
    points = points[:, None]
    away = np.minimum(np.maximum(points, levels[:, :2]), levels[:, 2:]) - points
    return np.asarray((away**2).sum(axis=2).argmin(axis=1), np.int64)


def _to_photo(coordinates: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Map each row of coordinates from the level of this number to the photo, level by level."""
    for level in range(levels.max(initial=0)):
        coordinates = np.where(levels[:, None] > level, point_up(coordinates), coordinates)
    return coordinates
