"""Reference landmarks and chips by dlib in this process."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle


def points(weights: Path, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
    """Dlib's landmarks, shape (faces, points, 2)."""
    predictor = _predictor(weights)
    shapes = [predictor(image, dlib.rectangle(*rectangle)) for rectangle in rectangles]
    return np.array([[(point.x, point.y) for point in shape.parts()] for shape in shapes], np.int64)


@cache
def _predictor(weights: Path) -> dlib.shape_predictor:
    return dlib.shape_predictor(str(weights))


def shape(landmarks: NDArray[np.int64]) -> dlib.full_object_detection:
    return dlib.full_object_detection(dlib.rectangle(), [dlib.point(int(x), int(y)) for x, y in landmarks])


def chips(image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Dlib's chips, one call per face, shape (faces, 150, 150, 3)."""
    return np.stack([dlib.get_face_chip(image, shape(points), 150, 0.25) for points in landmarks])


def jittered(state: np.random.Generator, image: NDArray[np.uint8], count: int) -> list[Rectangle]:
    """Rectangles of any shape inside and outside the image, from two pixels to 1.5 images large."""
    rows, columns = image.shape[:2]
    sides = np.exp(state.uniform(np.log(2), np.log(1.5 * max(rows, columns)), count))
    centres = state.uniform(-0.2, 1.2, (count, 2)) * (columns, rows)
    return [
        Rectangle(int(x - across / 2), int(y - side / 2), int(x + across / 2), int(y + side / 2))
        for side, across, (x, y) in zip(sides, sides * state.uniform(0.8, 1.25, count), centres, strict=True)
    ]
