"""Calls of dlib as the upstream service makes them, in a worker process: dlib holds the GIL and takes gigabytes."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness.closed_loop import Call, Response

Stages = dict[str, float]


def dlib_call(weights: Mapping[str, str], model: int, describes_hog: bool) -> Call:
    """Call of dlib for model 1, 3 or 4, warmed up.

    Args:
        weights: paths by `detector`, `landmarks` and `network`.
        model: FACE_MODEL.
        describes_hog: also compute and discard the descriptors of model 4's HOG faces, as upstream does.
    """
    import dlib
    import numpy as np

    tools = _Dlib(dlib, weights, model, describes_hog)
    image = np.zeros((96, 96, 3), np.uint8)
    tools.described(image, [dlib.rectangle(8, 8, 87, 87)], {})
    tools.found(image, {})
    return tools


class _Dlib:
    def __init__(self, dlib: Any, weights: Mapping[str, str], model: int, describes_hog: bool) -> None:
        self._load = dlib.load_rgb_image
        self._cnn = dlib.cnn_face_detection_model_v1(weights["detector"])
        self._hog = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(weights["landmarks"])
        self._network = dlib.face_recognition_model_v1(weights["network"])
        self._model = model
        self._describes_hog = describes_hog
        # dlib reads files by path; a memfd needs no disk and ends with the process.
        self._file = os.memfd_create("photo")

    def __call__(self, photo: bytes) -> Response:
        stages: Stages = {}
        image = _timed(stages, "decode", self._decoded, photo)
        faces = self.found(image, stages)
        hog = []
        if faces and self._model == 4:
            hog = list(_timed(stages, "hog_detections", self._hog, image, 1))
        self.described(image, [*faces, *hog] if self._describes_hog else faces, stages)
        edges = tuple((face.left(), face.top(), face.right(), face.bottom()) for face in faces)
        return Response(edges, stages)

    def found(self, image: Any, stages: Stages) -> list[Any]:
        """Rectangles of detected faces. HOG upsamples the photo once, the CNN does not."""
        if self._model == 3:
            return list(_timed(stages, "hog_detections", self._hog, image, 1))
        return [face.rect for face in _timed(stages, "cnn_detections", self._cnn, image, 0)]

    def described(self, image: Any, faces: list[Any], stages: Stages) -> None:
        """Compute landmarks and descriptors face by face; dlib extracts the chip within the descriptor call."""
        for face in faces:
            shape = _timed(stages, "landmarks", self._landmarks, image, face)
            _timed(stages, "chips and descriptors", self._network.compute_face_descriptor, image, shape)

    def _decoded(self, photo: bytes) -> Any:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, photo, 0)
        return self._load(f"/proc/self/fd/{self._file}")


def _timed(stages: Stages, stage: str, call: Callable[..., Any], *given: Any) -> Any:
    start = time.perf_counter()
    result = call(*given)
    stages[stage] = stages.get(stage, 0.0) + time.perf_counter() - start
    return result
