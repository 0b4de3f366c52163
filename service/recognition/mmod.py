"""From the CNN detector's score map to faces: boxes, and the suppression of the ones that overlap.

Source: dlib/dnn/loss.h (loss_mmod_::tensor_to_dets, to_label) and dlib/image_transforms/image_pyramid.h
(tiled_pyramid_to_image).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle, round_half_away
from service.recognition.overlap import OverlapRule
from service.recognition.pyramid import RATE, Layout

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


@dataclass(frozen=True)
class Detection:
    """A face of the CNN detector, in pixels of the photo."""

    rectangle: Rectangle
    confidence: float


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
    rows, columns, confidences = candidates
    kept: list[Detection] = []
    for candidate in np.argsort(-confidences, kind="stable"):
        box = _in_photo(int(columns[candidate]), int(rows[candidate]), layout, window)
        if not any(window.rule.same_face(face.rectangle, box) for face in kept):
            kept.append(Detection(box, float(confidences[candidate])))
    return kept


def _in_photo(column: int, row: int, layout: Layout, window: Window) -> Rectangle:
    """The window around a score, carried up from its level to the photo."""
    x, y = STRIDE * column + FIRST_CENTRE, STRIDE * row + FIRST_CENTRE
    number = _nearest_level(x, y, layout)
    level = layout.levels[number]
    half_width, half_height = (window.width - 1) / 2, (window.height - 1) / 2
    return Rectangle(
        *(
            round_half_away(_up(edge, number))
            for edge in (
                x - half_width - level.left,
                y - half_height - level.top,
                x + half_width - level.left,
                y + half_height - level.top,
            )
        )
    )


def _nearest_level(x: int, y: int, layout: Layout) -> int:
    """The level a point of the tile belongs to; in a gap, the nearest (nearest_rect, rectangle.h)."""

    def squared_distance(level: Rectangle) -> int:
        across = min(max(x, level.left), level.right) - x
        down = min(max(y, level.top), level.bottom) - y
        return across * across + down * down

    return min(range(len(layout.levels)), key=lambda number: squared_distance(layout.levels[number]))


def _up(coordinate: float, levels: int) -> float:
    """pyramid_down<RATE>::point_up, applied `levels` times."""
    for _ in range(levels):
        coordinate = coordinate * (RATE / (RATE - 1.0)) + 0.3
    return coordinate
