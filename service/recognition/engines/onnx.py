"""dlib's two networks through ONNX Runtime, its HOG detector in compiled loops; landmarks and chips still by dlib.

A network that fails at run time (out of memory, a device that went away) is computed by dlib for that photo:
slower, the same answer, and counted.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.recognition import mmod, pyramid
from service.recognition.engines.dlib import DlibEngine
from service.recognition.engines.protocol import EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.hog import HogDetector
from service.recognition.mmod import Detection
from service.recognition.sessions import Session

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class CnnDetector:
    """The CNN detector: a tile of the photo through the graph, and the score map read as dlib reads it.

    Args:
        session: the trunk: `tile` float32 (1, 3, rows, columns) in pixel units to `scores` (1, 1, rows, columns).
        window: its box and its overlap rule.
        mean: the mean colour that the graph takes off, RGB, float32, shape (3,).
    """

    def __init__(self, session: Session, window: mmod.Window, mean: NDArray[np.float32]) -> None:
        self.session = session
        self._window = window
        self._mean = mean

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        layout = pyramid.layout(*image.shape[:2])
        if layout is None:
            return []
        scores = self.session.run(pyramid.tile(image, layout, self._mean))
        return mmod.detections(scores[0, 0], layout, self._window)


class OnnxEngine:
    """Both networks by ONNX Runtime, HOG by compiled loops, the rest by dlib, behind the Engine protocol.

    Args:
        detector: the CNN detector, or None where the model has none.
        network: `chips` uint8 (faces, 150, 150, 3) RGB to `descriptors` float32 (faces, 128).
        dlib: computes the other stages, and stands in for the networks.
        hog: the HOG detector, or None where the model has none.
    """

    def __init__(
        self,
        detector: CnnDetector | None,
        network: Session,
        dlib: DlibEngine,
        hog: HogDetector | None,
    ) -> None:
        self._detector = detector
        self._network = network
        self._dlib = dlib
        self._hog = hog
        self._fallbacks: Counter[str] = Counter()
        self._counting = threading.Lock()

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        detector = self._detector
        if detector is None:
            raise EngineError("this engine was opened for a model without the CNN detector")
        return self._or_dlib("cnn_detections", detector, self._dlib.cnn_detections, image)

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._opened_hog()(image)

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        return self._opened_hog().confirm(image, rectangles)

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._dlib.landmarks(image, rectangles)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._dlib.chips(image, landmarks)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._or_dlib("descriptors", self._network.run, self._dlib.descriptors, chips)

    def stages(self) -> dict[str, Stage]:
        stages = self._dlib.stages()
        if self._detector is not None:
            stages["cnn_detections"] = self._stage("cnn_detections", self._detector.session)
        if self._hog is not None:
            stages["hog_detections"] = Stage("compiled", "cpu")
        stages["descriptors"] = self._stage("descriptors", self._network)
        return stages

    def close(self) -> None:
        self._dlib.close()
        if self._hog is not None:
            self._hog.close()

    def _opened_hog(self) -> HogDetector:
        if self._hog is None:
            raise EngineError("this engine was opened for a model without the HOG detector")
        return self._hog

    def _stage(self, name: str, session: Session) -> Stage:
        return Stage("onnx", session.provider, self._fallbacks[name])

    def _or_dlib(
        self,
        stage: str,
        by_onnx: Callable[[NDArray[np.uint8]], Result],
        by_dlib: Callable[[NDArray[np.uint8]], Result],
        pixels: NDArray[np.uint8],
    ) -> Result:
        try:
            return by_onnx(pixels)
        except EngineError as error:
            _log.warning("%s: %s; dlib computes it instead", stage, error)
        with self._counting:
            self._fallbacks[stage] += 1
        return by_dlib(pixels)
