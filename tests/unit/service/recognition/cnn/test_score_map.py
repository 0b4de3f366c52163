"""Boxes of scores in the photo, and their suppression."""

import numpy as np

from service.recognition.cnn import pyramid
from service.recognition.cnn.score_map import DetectorWindow, detections_of_map
from service.recognition.geometry import Rectangle
from service.recognition.nms import OverlapRule

WINDOW = DetectorWindow(80, 80, OverlapRule(0.3382761351109955, 1.0))


def _scores(*marks: tuple[int, int, float]) -> tuple[np.ndarray, pyramid.Layout]:
    layout = pyramid.layout(400, 400)
    assert layout is not None
    scores = np.full(((layout.rows - 29) // 8 + 1, (layout.columns - 29) // 8 + 1), -1, np.float32)
    for row, column, score in marks:
        scores[row, column] = score
    return scores, layout


def test_a_score_on_the_first_level_is_a_window_around_its_centre() -> None:
    scores, layout = _scores((10, 20, 0.5))
    (face,) = detections_of_map(scores, layout, WINDOW)
    # Tile pixel (8·20 + 14, 8·10 + 14), less the outer padding of 11, ± 39.5, halves away from zero.
    assert face.rectangle == Rectangle(124, 44, 203, 123)
    assert face.confidence == 0.5


def test_a_score_on_another_level_is_mapped_to_the_photo() -> None:
    layout = pyramid.layout(400, 400)
    assert layout is not None
    level = layout.levels[1]
    column, row = (level.left + 100 - 14) // 8, (level.top + 120 - 14) // 8
    scores, _ = _scores((row, column, 1.0))
    (face,) = detections_of_map(scores, layout, WINDOW)
    left = 8 * column + 14 - level.left - 39.5
    assert face.rectangle.left == round(left * 1.2 + 0.3)
    assert 95 <= face.rectangle.right - face.rectangle.left <= 96


def test_faces_are_in_descending_confidence_and_suppress_their_neighbours() -> None:
    scores, layout = _scores((10, 10, 0.4), (10, 11, 0.9), (30, 30, 0.7))
    faces = detections_of_map(scores, layout, WINDOW)
    assert [face.confidence for face in faces] == [np.float32(0.9), np.float32(0.7)]


def test_a_score_at_the_threshold_is_no_face() -> None:
    scores, layout = _scores((10, 10, 0.0))
    assert detections_of_map(scores, layout, WINDOW) == []


def test_overlap_is_measured_against_the_box_around_both() -> None:
    """Diagonal neighbours: intersection over UNION would suppress this pair, over the bounding box it does not."""
    scores, layout = _scores((10, 10, 0.9), (13, 13, 0.8))
    first, second = (face.rectangle for face in detections_of_map(scores, layout, WINDOW))
    shared = first.intersection(second).area
    union = first.area + second.area - shared
    assert shared / union > WINDOW.rule.overlap - 0.02
    around = Rectangle(
        *map(min, first[:2], second[:2]),
        *map(max, first[2:], second[2:]),
    )
    assert shared / around.area < WINDOW.rule.overlap
