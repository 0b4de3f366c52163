"""Comparison of each stage with dlib's on dlib's own input, to locate the origin of a difference.

Every stage receives the input of dlib's stage, so that an error in an earlier stage does not propagate. The CNN
detector and its pyramid are one stage, because dlib does not expose the pyramid.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.faces import AnsweredFace
from benchmarks.harness.results import Key, Result
from benchmarks.parity.comparison import finite, largest_difference
from benchmarks.parity.decoded_photos import Photo
from benchmarks.parity.reference import Reference
from service.recognition.contract import Engine


@dataclass
class StageTotals:
    """Totals and maximum differences of one stage over all photos."""

    counts: dict[str, int] = field(default_factory=dict)
    """By metric."""
    largest: dict[str, float] = field(default_factory=dict)
    """By metric."""

    def count(self, metric: str, number: int) -> None:
        self.counts[metric] = self.counts.get(metric, 0) + number

    def differs(self, metric: str, by: float) -> None:
        self.largest[metric] = max(self.largest.get(metric, 0.0), by)


class Stages:
    """Comparison of this checkout's stages with dlib.

    Args:
        five: engine of model 4: CNN and HOG detectors, 5 landmarks.
        sixty_eight: engine of model 2: 68 landmarks.
    """

    def __init__(self, five: Engine, sixty_eight: Engine) -> None:
        self._five = five
        self._sixty_eight = sixty_eight
        self._stages: dict[str, StageTotals] = {}
        self.problems: list[str] = []

    def add(self, photo: Photo, truth: Reference) -> None:
        """Compare all stages on one photo. Raises EngineError."""
        self._cnn(photo, truth.models[1])
        self._hog(photo, truth)
        for faces, engine, stage in (
            (truth.models[1], self._five, "landmarks 5"),
            (truth.models[3], self._five, "landmarks 5"),
            (truth.models[2], self._sixty_eight, "landmarks 68"),
        ):
            self._landmarks(photo, faces, engine, stage)
        for model in (1, 3):
            self._chips_and_descriptors(photo, truth.models[model], truth.chips[model])

    def note(self, result: Result) -> None:
        """Add the figures to a result."""
        for name, stage in self._stages.items():
            for metric, value in [*stage.counts.items(), *stage.largest.items()]:
                result.note(Key(section="parity", stage=name, metric=metric), finite(value))

    def _cnn(self, photo: Photo, truth: Sequence[AnsweredFace]) -> None:
        found = self._five.cnn_detections(photo.image)
        same = [face.rectangle for face in found] == [face.rectangle for face in truth]
        self._count("cnn", photo, {"photos": 1, "faces": len(truth), "photos differing": int(not same)})
        if same:
            scores = ([face.confidence for face in side] for side in (found, truth))
            self._stages["cnn"].differs("confidence difference", largest_difference(*scores))

    def _hog(self, photo: Photo, truth: Reference) -> None:
        found = self._five.hog_detections(photo.image)
        same = found == list(truth.hog)
        self._count("hog", photo, {"photos": 1, "faces": len(truth.hog), "photos differing": int(not same)})
        faces = [face.rectangle for face in truth.models[1]]
        if faces:
            verdicts = self._five.hog_confirms(photo.image, faces)
            expected = [
                judged.confidence == raw.confidence
                for raw, judged in zip(truth.models[1], truth.models[4], strict=True)
            ]
            wrong = sum(one != other for one, other in zip(verdicts, expected, strict=True))
            self._count("hog verdicts", photo, {"faces": len(faces), "verdicts differing": wrong})

    def _landmarks(self, photo: Photo, truth: Sequence[AnsweredFace], engine: Engine, stage: str) -> None:
        if truth:
            points = engine.landmarks(photo.image, [face.rectangle for face in truth])
            wrong = sum(
                tuple(map(tuple, found.tolist())) != face.landmarks
                for found, face in zip(points, truth, strict=True)
            )
            self._count(stage, photo, {"faces": len(truth), "faces differing": wrong})

    def _chips_and_descriptors(
        self, photo: Photo, truth: Sequence[AnsweredFace], digests: Sequence[str]
    ) -> None:
        if not truth:
            return
        chips = self._five.chips(photo.image, np.array([face.landmarks for face in truth], np.int64))
        same = [_digest(chip) == digest for chip, digest in zip(chips, digests, strict=True)]
        self._count("chips", photo, {"faces": len(truth), "faces differing": same.count(False)})
        # Only descriptors of equal chips are compared: otherwise the chip causes the difference.
        if any(same):
            found = self._five.descriptors(chips[np.array(same)])
            expected = [face.descriptor for face, equal in zip(truth, same, strict=True) if equal]
            self._count("descriptors", photo, {"faces": len(expected)})
            for one, other in zip(found, expected, strict=True):
                self._stages["descriptors"].differs(
                    "largest difference", largest_difference(one.tolist(), other)
                )

    def _count(self, stage: str, photo: Photo, counts: Mapping[str, int]) -> None:
        counted = self._stages.setdefault(stage, StageTotals())
        for metric, number in counts.items():
            counted.count(metric, number)
            if number and metric.endswith("differing"):
                self.problems.append(f"{photo.name}: {stage}: {number} {metric}")


def _digest(chip: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(chip).tobytes()).hexdigest()
