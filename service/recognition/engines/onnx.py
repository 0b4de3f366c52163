"""The ONNX engine: both networks by ONNX Runtime, the stages between them by compiled loops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.cores import Cores
from service.recognition.contract import Detection, DeviceProof, EngineError, ScanTrial, Stage
from service.recognition.engines.precisions import IN_FLOAT32
from service.recognition.faces import chips as face_chips
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks
from service.recognition.geometry import Rectangle
from service.recognition.hog.detector import HogDetector
from service.recognition.ort import providers

Detector = CnnDetector | ScanningDetector
"""The CNN detector of a model, without a scan or with one."""

Faces = TypeVar("Faces", Sequence[Rectangle], NDArray[np.int64])
"""Faces of a photo: rectangles, or landmarks of shape (faces, points, 2)."""
Number = TypeVar("Number", np.int64, np.uint8)
"""Of landmarks, or of the pixels of chips."""


@dataclass(frozen=True)
class ChosenDetector:
    """The CNN detector of an engine, and the facts about its choice for `Stage`."""

    detector: Detector
    precision: str
    """Of `precisions`, as long as a scan has not stopped itself."""
    trial: ScanTrial | None = None
    scan_refused: str | None = None
    """Of `Stage`."""

    def stage(self) -> Stage:
        detector = self.detector
        stage = replace(
            _network_stage(detector),
            precision=self.precision,
            trial=self.trial,
            scan_refused=self.scan_refused,
        )
        if not isinstance(detector, ScanningDetector):
            return stage
        figures = detector.figures()
        return replace(stage, scan=figures, precision=IN_FLOAT32 if figures.stopped else self.precision)


class OnnxEngine:
    """The Engine protocol: networks by ONNX Runtime; HOG, landmarks and chips by compiled loops.

    Args:
        detector: the CNN detector; None for a model without it.
        hog: the HOG detector; None for a model without it.
        landmarks: the shape predictor.
        network: the descriptor network.
        cores: the cores of all stages; `close` ends their threads.

    Attributes:
        device_proof, device_missing: of `Stage`, set once a device is compared with the CPU.
    """

    def __init__(
        self,
        detector: ChosenDetector | None,
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
        self.device_proof: DeviceProof | None = None
        self.device_missing: str | None = None

    @property
    def exact_detector(self) -> CnnDetector | None:
        """The CNN detector in float32, which rescores for a scan; None for a model without it."""
        if self._detector is None:
            return None
        detector = self._detector.detector
        return detector.exact if isinstance(detector, ScanningDetector) else detector

    @property
    def cpu_fallback_runs(self) -> int:
        """Runs of both networks by CPU fallback, because the device was out of memory."""
        networks = (self._detector and self._detector.detector.network, self._network.network)
        return sum(network.cpu_fallback_runs for network in networks if network)

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        if self._detector is None:
            raise EngineError("this engine was opened for a model without the CNN detector")
        with self._cores.photo():
            return self._detector.detector(image)

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        hog = self._hog_detector()
        with self._cores.photo():
            return hog(image)

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        hog = self._hog_detector()
        with self._cores.photo():
            return hog.confirm(image, rectangles)

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._in_bands(partial(self._landmarks, image), rectangles)

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._in_bands(partial(face_chips.cut, image), landmarks)

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._cores.photo():
            return self._network(chips)

    def stages(self) -> dict[str, Stage]:
        stages = dict.fromkeys(
            ("hog_detections", "hog_confirms", "landmarks", "chips"), Stage("compiled", "cpu")
        )
        if self._detector is not None:
            stages["cnn_detections"] = self._detector.stage()
        stages["descriptors"] = replace(
            _network_stage(self._network),
            device_proof=self.device_proof,
            device_missing=self.device_missing,
        )
        return stages

    def close(self) -> None:
        self._cores.close()

    def _in_bands(self, compute: Callable[[Faces], NDArray[Number]], faces: Faces) -> NDArray[Number]:
        """Compute a stage of the faces of a photo in bands, one for each core of the photo."""
        with self._cores.photo():
            parts = self._cores.in_bands(
                lambda first, end: compute(faces[first:end]), len(faces), most=len(faces)
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _hog_detector(self) -> HogDetector:
        if self._hog is None:
            raise EngineError("this engine was opened for a model without the HOG detector")
        return self._hog


def _network_stage(stage: Detector | DescriptorNetwork) -> Stage:
    network = stage.network
    device = providers.facts(network.provider)
    return Stage(
        "onnx",
        network.provider,
        on_cpu=network.cpu_fallback_runs,
        batches=stage.batches(),
        device=device.name if device else None,
        is_gpu=device is not None and device.kind.is_gpu,
    )
