"""dlib's two networks through ONNX Runtime, landmarks and chips by compiled loops; HOG still by dlib.

A stage that fails at run time (out of memory, a device that went away) is computed by dlib for that photo:
slower, the same answer, and counted.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition import chips
from service.recognition.engines.dlib import DlibEngine
from service.recognition.engines.protocol import EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.landmarks import Landmarks
from service.recognition.mmod import Detection
from service.recognition.scan import CnnDetector
from service.recognition.sessions import Session

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class OnnxEngine:
    """Both networks by ONNX Runtime, landmarks and chips by compiled loops, HOG by dlib; the Engine protocol.

    Args:
        detector: the CNN detector, or None where the model has none.
        landmarks: the shape predictor.
        network: `chips` uint8 (faces, 150, 150, 3) RGB to `descriptors` float32 (faces, 128).
        dlib: computes the other stage, and stands in where one fails.
    """

    def __init__(
        self, detector: CnnDetector | None, landmarks: Landmarks, network: Session, dlib: DlibEngine
    ) -> None:
        self._detector = detector
        self._landmarks = landmarks
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
        return self._or_dlib("landmarks", self._landmarks, self._dlib.landmarks, image, rectangles)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._or_dlib("chips", chips.cut, self._dlib.chips, image, landmarks)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._or_dlib("descriptors", self._network.run, self._dlib.descriptors, chips)

    def stages(self) -> dict[str, Stage]:
        stages = self._dlib.stages()
        if self._detector is not None:
            stages["cnn_detections"] = self._stage("cnn_detections", self._detector.session)
        for name in ("landmarks", "chips"):
            stages[name] = Stage("compiled", "cpu", self._fallbacks[name])
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
        here: Callable[[*Arguments], Result],
        by_dlib: Callable[[*Arguments], Result],
        *arguments: *Arguments,
    ) -> Result:
        try:
            return here(*arguments)
        except (EngineError, MemoryError) as error:
            _log.warning("%s: %s; dlib computes it instead", stage, error or "out of memory")
        with self._counting:
            self._fallbacks[stage] += 1
        return by_dlib(*arguments)
