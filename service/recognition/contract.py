"""What an engine is: one method a stage, arrays in and arrays out, safe to call from many threads at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle

CHIP_SIDE = 150
"""Pixels a side of a face chip, the network's input (face_recognition.cpp in dlib's tools/python)."""
CHIP_PADDING = 0.25
"""What a chip shows around the face, as a share of it (compute_face_descriptor's default)."""
DESCRIPTOR_LENGTH = 128


class EngineError(RuntimeError):
    """A stage could not be computed, through no fault of the photo."""


@dataclass(frozen=True)
class Detection:
    """A face of the CNN detector, in pixels of the photo."""

    rectangle: Rectangle
    confidence: float


@dataclass(frozen=True)
class Stage:
    """Who computes a stage, for `/info` and the log."""

    engine: str
    provider: str
    fallbacks: int = 0
    """How many times the other engine had to stand in since the start (with_fallback.py)."""
    on_cpu: int = 0
    """How many runs of its network the CPU computed, since the provider's device had no memory for them."""
    batches: Mapping[int, int] = field(default_factory=dict)
    """How many runs of its network there were, by the number of photos that shared them."""


class Engine(Protocol):
    """The stages of a photo. An `image` is RGB, uint8, C-contiguous, shape (rows, columns, 3)."""

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of the CNN detector, the surest first."""

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """Faces of dlib's frontal face detector, the photo doubled once first, in dlib's order."""

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        """For each rectangle whether one of `hog_detections` confirms it (`confirmation.confirms`)."""

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        """Points of each face, shape (faces, 5 or 68, 2): x, y in pixels of the photo."""

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Each face upright, RGB, shape (faces, 150, 150, 3)."""

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Shape (faces, 128), not normalised."""

    def stages(self) -> dict[str, Stage]:
        """Who computes what."""

    def close(self) -> None:
        """Let go of processes and sessions. The engine cannot be used afterwards."""
