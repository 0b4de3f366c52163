"""From the CNN detector's score map to faces: boxes, and the suppression of the ones that overlap.

Source: dlib/dnn/loss.h (loss_mmod_::tensor_to_dets, to_label) and dlib/image_transforms/image_pyramid.h
(tiled_pyramid_to_image).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import Layout
from service.recognition.contract import Detection
from service.recognition.geometry import Rectangle, round_half_away
from service.recognition.nms import Boxes, OverlapRule
from service.recognition.pyramid_down import point_up

STRIDE = 8
FIRST_CENTRE = 14
"""Score (c, r) looks at tile pixel (8c + 14, 8r + 14): three unpadded 5x5 convolutions of stride 2, then
padded ones (output_tensor_to_input_tensor in dlib/dnn/core.h)."""


@dataclass(frozen=True)
class Window:
    """What the detector's own file says about its boxes (mmod_options in dlib/dnn/loss.h)."""

    width: int
    height: int
    rule: OverlapRule
    """When the weaker of two boxes goes."""
    threshold: float = 0.0
    """A score above it is a face (adjust_threshold of loss_mmod_::to_label)."""


class Candidates(NamedTuple):
    """Scores above a threshold, in ascending order of their places in the map."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: NDArray[np.float32]


def in_map(scores: NDArray[np.float32], layout: Layout, window: Window) -> list[Detection]:
    """Faces in a score map, the surest first.

    Args:
        scores: shape (rows, columns), the detector's output for one tile.
        layout: the layout of that tile.
        window: the detector's window, overlap rule and threshold.
    """
    rows, columns = np.nonzero(scores > window.threshold)
    return detections(Candidates(rows, columns, scores[rows, columns]), layout, window)


def detections(candidates: Candidates, layout: Layout, window: Window) -> list[Detection]:
    """Faces among the candidates, the surest first.

    Args:
        candidates: all scores above the threshold.
        layout: the layout of the tile.
        window: the detector's window and overlap rule.
    """
    order = np.argsort(-candidates.scores, kind="stable")
    boxes = _in_photo(candidates.columns[order], candidates.rows[order], layout, window)
    return [
        Detection(Rectangle(*boxes[number].tolist()), float(candidates.scores[order[number]]))
        for number in window.rule.survivors(boxes)
    ]


def _in_photo(columns: NDArray[np.int64], rows: NDArray[np.int64], layout: Layout, window: Window) -> Boxes:
    """The window around each score, carried up from its level to the photo."""
    points = STRIDE * np.stack([columns, rows], axis=1) + FIRST_CENTRE
    levels = np.array(layout.levels)
    numbers = _nearest_levels(points, levels)
    from_centre = (np.array([window.width, window.height]) - 1) / 2
    in_level = points - levels[numbers, :2]
    corners = np.concatenate([in_level - from_centre, in_level + from_centre], axis=1)
    return round_half_away(_up(corners, numbers))


def _nearest_levels(points: NDArray[np.int64], levels: Boxes) -> NDArray[np.int64]:
    """The level that each point, x and y in the tile, belongs to; in a gap, the nearest (nearest_rect, rectangle.h)."""
    points = points[:, None]
    away = np.minimum(np.maximum(points, levels[:, :2]), levels[:, 2:]) - points
    return np.asarray((away**2).sum(axis=2).argmin(axis=1), np.int64)


def _up(coordinates: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Carry each row of coordinates up by its number of levels."""
    for level in range(levels.max(initial=0)):
        coordinates = np.where(levels[:, None] > level, point_up(coordinates), coordinates)
    return coordinates
