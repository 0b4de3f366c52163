"""dlib's two networks through ONNX Runtime, everything between them in compiled loops.

A stage that fails at run time (out of memory, a device that went away) is computed by dlib for that photo where
dlib is installed: slower, the same answer, and counted.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition import chips
from service.recognition.descriptors import DescriptorNetwork
from service.recognition.engines.dlib import DlibEngine
from service.recognition.engines.protocol import EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.hog import HogDetector
from service.recognition.landmarks import Landmarks
from service.recognition.mmod import Detection
from service.recognition.scan import CnnDetector

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class OnnxEngine:
    """Both networks by ONNX Runtime, HOG, landmarks and chips by compiled loops; the Engine protocol.

    Args:
        detector: the CNN detector, or None where the model has none.
        hog: the HOG detector, or None where the model has none.
        landmarks: the shape predictor.
        network: the descriptor network.
        dlib: stands in where a stage fails, or None where dlib is not installed.
    """

    def __init__(
        self,
        detector: CnnDetector | None,
        hog: HogDetector | None,
        landmarks: Landmarks,
        network: DescriptorNetwork,
        dlib: DlibEngine | None,
    ) -> None:
        self._detector = detector
        self._hog = hog
        self._landmarks = landmarks
        self._network = network
        self._dlib = dlib
        self._fallbacks: Counter[str] = Counter()
        self._counting = threading.Lock()

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        if self._detector is None:
            raise EngineError("this engine was opened for a model without the CNN detector")
        return self._or_dlib("cnn_detections", self._detector, image)

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._or_dlib("hog_detections", self._opened_hog(), image)

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        return self._or_dlib("hog_confirms", self._opened_hog().confirm, image, rectangles)

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._or_dlib("landmarks", self._landmarks, image, rectangles)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._or_dlib("chips", chips.cut, image, landmarks)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._or_dlib("descriptors", self._network, chips)

    def stages(self) -> dict[str, Stage]:
        fallbacks = self._fallbacks
        stages = {
            name: Stage("compiled", "cpu", fallbacks[name])
            for name in ("hog_detections", "hog_confirms", "landmarks", "chips")
        }
        if self._detector is not None:
            stages["cnn_detections"] = self._on_network("cnn_detections", self._detector)
        stages["descriptors"] = self._on_network("descriptors", self._network)
        return stages

    def close(self) -> None:
        for part in (self._detector, self._hog, self._dlib):
            if part is not None:
                part.close()

    def _on_network(self, name: str, network: CnnDetector | DescriptorNetwork) -> Stage:
        return Stage("onnx", network.session.provider, self._fallbacks[name], network.batches())

    def _opened_hog(self) -> HogDetector:
        if self._hog is None:
            raise EngineError("this engine was opened for a model without the HOG detector")
        return self._hog

    def _or_dlib(self, stage: str, here: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        try:
            return here(*arguments)
        except (EngineError, MemoryError) as error:
            if self._dlib is None:
                raise EngineError(
                    f"{stage} failed, and dlib is not installed to stand in: {error}"
                ) from error
            _log.warning("%s: %s; dlib computes it instead", stage, error or "out of memory")
        with self._counting:
            self._fallbacks[stage] += 1
        by_dlib: Callable[[*Arguments], Result] = getattr(self._dlib, stage)
        return by_dlib(*arguments)
