"""Stages of the dlib engine by dlib itself. Not thread-safe, holds the GIL: for dlib's processes alone (dlib.py).

This module imports dlib: no module of the calling process may import it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.contract import CHIP_PADDING, CHIP_SIDE, DESCRIPTOR_LENGTH, Detection
from service.recognition.geometry import Rectangle

HOG_UPSAMPLING = 1
"""Doublings of the photo before the HOG scan, as in the upstream service and the app's own models."""


class DlibStages:
    """Dlib's objects, each loaded at the first call of its stage. For one thread.

    Args:
        detector: path of the CNN detector's weights; None for a model without it.
        landmarks: path of a shape predictor.
        network: path of a face recognition network.
    """

    def __init__(self, detector: str | None, landmarks: str, network: str) -> None:
        self._paths = {"detector": detector, "landmarks": landmarks, "network": network}

    @cached_property
    def _cnn(self) -> Any:
        return dlib.cnn_face_detection_model_v1(self._paths["detector"])

    @cached_property
    def _hog(self) -> Any:
        return dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return dlib.shape_predictor(self._paths["landmarks"])

    @cached_property
    def _network(self) -> Any:
        return dlib.face_recognition_model_v1(self._paths["network"])

    def ping(self) -> None:
        """Do nothing: a successful call shows that dlib can be loaded."""

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        if pyramid.layout(*image.shape[:2]) is None:
            return []  # dlib raises on such a photo, or writes outside its tile and crashes
        return [Detection(_rectangle(face.rect), face.confidence) for face in self._cnn(image, 0)]

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return [_rectangle(face) for face in self._hog(image, HOG_UPSAMPLING)]

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        shapes = [self._predictor(image, dlib.rectangle(*rectangle)) for rectangle in rectangles]
        points = [[(point.x, point.y) for point in shape.parts()] for shape in shapes]
        return np.array(points, np.int64)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        # One call per face: faces of one call share a crop, which moves the phase of its resampling.
        chips = [
            dlib.get_face_chip(image, _shape(points), size=CHIP_SIDE, padding=CHIP_PADDING)
            for points in landmarks
        ]
        return np.array(chips, np.uint8).reshape(-1, CHIP_SIDE, CHIP_SIDE, 3)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = [np.array(self._network.compute_face_descriptor(chip)) for chip in chips]
        return np.array(vectors, np.float32).reshape(-1, DESCRIPTOR_LENGTH)


def _rectangle(rectangle: Any) -> Rectangle:
    return Rectangle(rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())


def _shape(points: NDArray[np.int64]) -> Any:
    """The points in dlib's type; its rectangle does not affect a chip."""
    return dlib.full_object_detection(dlib.rectangle(), [dlib.point(int(x), int(y)) for x, y in points])
