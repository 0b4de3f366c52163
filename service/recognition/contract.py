"""Contract of an engine: one method per stage, arrays in and arrays out, safe to call from many threads at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle

CHIP_SIDE = 150
"""Side in pixels of a face chip, the network's input (face_recognition.cpp in dlib's tools/python)."""
CHIP_PADDING = 0.25
"""Margin of a chip on each side of the face, as a share of the face (compute_face_descriptor's default)."""
DESCRIPTOR_LENGTH = 128

DESCRIPTORS_ALLOWED = 1e-5
"""Bound of a difference of one of the 128 numbers between providers (docs/reference/parity.md)."""
SCORES_ALLOWED = 3e-5
"""Bound of a difference of a score of the whole map between providers: the converter's bound against dlib, 1.3e-5
measured between builds of dlib that sum in another order (conversion/validation/specifications.py)."""


class EngineError(RuntimeError):
    """A stage could not be computed, through no fault of the photo."""


class OutOfMemory(EngineError):
    """The device, or this machine, has too little memory for a run of a network."""


class DeviceFault(EngineError):
    """A device is lost, hangs, or gave a result that cannot be: not finite, or all zeros. Not for out of memory.

    No later run of the device in this process is believed, so the process has to end.
    """


@dataclass(frozen=True)
class Detection:
    """A face of the CNN detector, in pixels of the photo."""

    rectangle: Rectangle
    confidence: float


@dataclass(frozen=True)
class ScanFigures:
    """Counts of the CNN detector's scan since the start (cnn/scanning_detector.py)."""

    photos: int = 0
    """Photos that were scanned."""
    crowded: int = 0
    """Of these, photos computed in float32 as a whole, since their blocks would have cost nearly as much."""
    deviating: int = 0
    """Of these, photos computed in float32 as a whole, since a scanned score differed too much."""
    checked: int = 0
    """Of these, rescored photos that were also computed in float32 as a whole (one in FACE_SCAN_CHECK)."""
    scores: int = 0
    """Scores of the maps of all photos but the crowded ones."""
    rescored: int = 0
    """Cost of their blocks, in scores of a whole map: divided by `scores`, the share of the work in float32."""
    largest_error: float = 0.0
    """Largest difference between the scanned and the float32 score at a rescored place above -1; finite."""
    stopped: str | None = None
    """Reason why the scan has stopped itself: a score above the threshold differed in a checked photo, or a run of the
    scan failed."""


@dataclass(frozen=True)
class ScanTrial:
    """Result of the trial of the scan at the start, on a synthetic picture (engines/scan_trial.py)."""

    time_ratio: float
    """Time of the scan without its blocks, relative to float32."""
    largest_error: float
    """Largest difference between the scanned and the float32 score, of the scores above -1."""
    kept: bool
    """True if the time was measured at an earlier start on this machine."""
    file: str | None = None
    """Path of the file that holds the time for later starts; None if no folder can be written."""

    def __str__(self) -> str:
        when = "at an earlier start" if self.kept else "now"
        return (
            f"{self.time_ratio:.2f} of the time in float32 (measured {when}), "
            f"largest error {self.largest_error:.3f}"
        )


@dataclass(frozen=True)
class DeviceProof:
    """Comparison of a device with the CPU at the start, on a synthetic picture (engines/device_proof.py)."""

    provider: str
    """A key of `ort.providers.PROVIDERS`."""
    device: str
    """Name of the device by its driver."""
    driver: str | None
    """Name and version of the driver; None if it tells neither."""
    passed: bool
    """True if the device gives the values of the CPU within the bounds below."""
    reason: str | None
    """One line: what differed and by how much, or that the CPU takes no more time; None if the device is used."""
    score_difference: float | None
    """Largest difference of a score of the CNN detector, of the whole map; None for a model without that detector."""
    descriptor_difference: float | None
    """Largest difference of one of the 128 numbers of a face; None if a run failed before they were compared."""
    faces_differ: bool
    """True if the boxes of the faces after NMS differ."""
    time_ratio: float | None
    """Time of the picture on the device divided by the CPU's, on all cores and with its scan; None if not measured, as
    it never is of a software adapter."""
    kept: bool = False
    """True if the time, or the failure, was found at an earlier start on this machine."""


@dataclass(frozen=True)
class Stage:
    """Engine and provider of a stage, with its counters since the start, for `/info`, the metrics and the log."""

    engine: str
    provider: str
    fallbacks: int = 0
    """Calls that the fallback engine computed (engines/with_fallback.py)."""
    on_cpu: int = 0
    """Runs of its network by CPU fallback: the provider's device was out of memory (ort/sessions.py)."""
    batches: Mapping[int, int] = field(default_factory=dict)
    """Number of runs of its network, by their number of photos."""
    precision: str = "float32"
    """Number format of its network; a scan in another format is rescored in float32."""
    scan: ScanFigures | None = None
    """Counts of the scan, which is in int8 on a CPU and in float16 on a device; None without it."""
    trial: ScanTrial | None = None
    """Trial of the scan; None if there was none, or it failed."""
    scan_refused: str | None = None
    """Reason why the scan cannot be used: it failed its trial, or its graph is missing."""
    device: str | None = None
    """Name of the device by its driver; None for the CPU, or if the driver has none."""
    is_gpu: bool = False
    """True if a GPU computes it: not the CPU, by OpenVINO or by a software adapter either."""
    device_proof: DeviceProof | None = None
    """Of the descriptors: comparison of a device with the CPU, also of a device that is not used after it; None if no
    device could be compared."""
    device_missing: str | None = None
    """Of the descriptors: reason why the CPU takes the place of a device; None if no device was to be used."""


class Engine(Protocol):
    """The stages of a photo. An `image` is RGB, uint8, C-contiguous, shape (rows, columns, 3).

    Each stage raises EngineError.
    """

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of the CNN detector, in descending confidence."""

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """Faces of dlib's frontal face detector on the photo doubled once, in dlib's order."""

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        """For each rectangle, True if one of `hog_detections` confirms it (`confirmation.confirms`)."""

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        """Points of each face, shape (faces, 5 or 68, 2): x, y in pixels of the photo."""

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Face chips: each face upright, RGB, shape (faces, 150, 150, 3)."""

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors of chips, shape (faces, 128), not normalised."""

    def stages(self) -> dict[str, Stage]:
        """Engine and provider of each stage, by the name of its method."""

    def close(self) -> None:
        """End the processes and sessions. The engine cannot be used afterwards."""
