"""dlib's two networks through ONNX Runtime; HOG, landmarks and chips still by dlib.

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

from service.recognition.engines.dlib import DlibEngine
from service.recognition.engines.protocol import EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.mmod import Detection
from service.recognition.scan import CnnDetector
from service.recognition.sessions import Session

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class OnnxEngine:
    """Both networks by ONNX Runtime, the rest by dlib, behind the Engine protocol.

    Args:
        detector: the CNN detector, or None where the model has none.
        network: `chips` uint8 (faces, 150, 150, 3) RGB to `descriptors` float32 (faces, 128).
        dlib: computes the other stages, and stands in for the networks.
    """

    def __init__(self, detector: CnnDetector | None, network: Session, dlib: DlibEngine) -> None:
        self._detector = detector
        self._network = network
        self._dlib = dlib
        self._fallbacks: Counter[str] = Counter()
        self._counting = threading.Lock()

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        detector = self._detector
        if detector is None:
            raise EngineError("this engine was opened for a model without the CNN detector")
        return self._or_dlib("cnn_detections", detector, self._dlib.cnn_detections, image)

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._dlib.hog_detections(image)

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
        stages["descriptors"] = self._stage("descriptors", self._network)
        return stages

    def close(self) -> None:
        if self._detector is not None:
            self._detector.close()
        self._dlib.close()

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
        except (EngineError, MemoryError) as error:
            _log.warning("%s: %s; dlib computes it instead", stage, error or "out of memory")
        with self._counting:
            self._fallbacks[stage] += 1
        return by_dlib(pixels)
