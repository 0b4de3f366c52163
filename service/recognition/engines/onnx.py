"""dlib's two networks through ONNX Runtime, everything between them in compiled loops."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.on_device import Detector
from service.recognition.compute.cores import Cores
from service.recognition.contract import Detection, EngineError, Stage
from service.recognition.faces import chips as face_chips
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks
from service.recognition.geometry import Rectangle
from service.recognition.hog.detector import HogDetector


class OnnxEngine:
    """Both networks by ONNX Runtime, HOG, landmarks and chips by compiled loops; the Engine protocol.

    Args:
        detector: the CNN detector, or None where the model has none.
        hog: the HOG detector, or None where the model has none.
        landmarks: the shape predictor.
        network: the descriptor network.
        cores: what all of them compute on; its threads end with the engine.
    """

    def __init__(
        self,
        detector: Detector | None,
        hog: HogDetector | None,
        landmarks: Landmarks,
        network: DescriptorNetwork,
        cores: Cores,
    ) -> None:
        self._detector = detector
        self._hog = hog
        self._landmarks = landmarks
        self._network = network
        self._cores = cores

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        if self._detector is None:
            raise EngineError("this engine was opened for a model without the CNN detector")
        with self._cores.photo():
            return self._detector(image)

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        hog = self._opened_hog()
        with self._cores.photo():
            return hog(image)

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        hog = self._opened_hog()
        with self._cores.photo():
            return hog.confirm(image, rectangles)

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._landmarks(image, rectangles)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return face_chips.cut(image, landmarks)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._cores.photo():
            return self._network(chips)

    def stages(self) -> dict[str, Stage]:
        stages = dict.fromkeys(
            ("hog_detections", "hog_confirms", "landmarks", "chips"), Stage("compiled", "cpu")
        )
        if self._detector is not None:
            stages["cnn_detections"] = _on_network(self._detector)
        stages["descriptors"] = _on_network(self._network)
        return stages

    def close(self) -> None:
        self._cores.close()

    def _opened_hog(self) -> HogDetector:
        if self._hog is None:
            raise EngineError("this engine was opened for a model without the HOG detector")
        return self._hog


def _on_network(computed: Detector | DescriptorNetwork) -> Stage:
    network = computed.network
    return Stage("onnx", network.provider, on_cpu=network.spared, batches=computed.batches())
