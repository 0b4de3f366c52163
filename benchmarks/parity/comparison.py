"""Comparison of one model's answers with reference answers, photo by photo."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.harness.faces import AnsweredFace, matched
from benchmarks.harness.results import Key, Result

CONFIDENCE_TOLERANCE = 1e-5
"""Largest accepted difference of a confidence."""
DESCRIPTOR_TOLERANCE = 1e-5
"""Largest accepted difference of each of the 128 values."""
SAME_DESCRIPTOR = 1e-6
"""Tolerance between `/detect` and `/compute` of the same service for the same face."""
GROUPING_CONFIDENCE = 0.99
"""The app never groups faces of lower confidence: a face that crosses this threshold is lost or gained."""


@dataclass(frozen=True)
class Problem:
    """Difference beyond the tolerances. `reference` or `candidate` is None if only the other side has the face."""

    photo: str
    summary: str
    reference: AnsweredFace | None = None
    candidate: AnsweredFace | None = None

    def __str__(self) -> str:
        return f"{self.photo}: {self.summary}"


@dataclass(frozen=True)
class Match:
    """Face found by both sides."""

    photo: str
    reference: AnsweredFace
    candidate: AnsweredFace


@dataclass
class Comparison:
    """Totals and maximum differences of one model over all photos."""

    photos: int = 0
    faces: int = 0
    """Reference faces."""
    failed: int = 0
    """Photos with any answer but 200."""
    moved: int = 0
    """Faces that only one side has, that have another rectangle, or that are in another order."""
    landmarks: int = 0
    """Faces with different landmarks."""
    confidence: float = 0.0
    """Largest difference."""
    descriptor: float = 0.0
    """Largest difference of one of the 128 values."""
    crossings: int = 0
    """Faces whose two confidences lie on different sides of the app's threshold."""
    recomputed: int = 0
    """Faces sent to `/compute`."""
    compute: float = 0.0
    """Largest difference of one of the 128 values between `/detect` and `/compute`."""
    problems: list[Problem] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)

    def fail(self, photo: str, reason: str, expected: Sequence[AnsweredFace]) -> None:
        """Count a photo without a valid answer."""
        self.photos += 1
        self.faces += len(expected)
        self.failed += 1
        self.problems.append(Problem(photo, reason))

    def add(self, photo: str, faces: Sequence[AnsweredFace], expected: Sequence[AnsweredFace]) -> None:
        """Compare one photo's faces with the reference faces, order included."""
        self.photos += 1
        self.faces += len(expected)
        if [face.rectangle for face in faces] == [face.rectangle for face in expected]:
            pairs = list(zip(expected, faces, strict=True))
        else:
            pairs = matched(expected, faces)
            self._add_moved(photo, faces, expected, pairs)
        for truth, face in pairs:
            self._add_face(photo, truth, face)
            if math.isfinite(largest_difference(face.descriptor, truth.descriptor)):
                self.matches.append(Match(photo, truth, face))

    def _add_moved(
        self,
        photo: str,
        faces: Sequence[AnsweredFace],
        expected: Sequence[AnsweredFace],
        pairs: Sequence[tuple[AnsweredFace, AnsweredFace]],
    ) -> None:
        before = len(self.problems)
        for truth in expected:
            if not any(truth is other for other, _ in pairs):
                self.problems.append(Problem(photo, f"missing face at {truth.rectangle}", truth, None))
        for face in faces:
            if not any(face is other for _, other in pairs):
                self.problems.append(Problem(photo, f"extra face at {face.rectangle}", None, face))
        for truth, face in pairs:
            if truth.rectangle != face.rectangle:
                self.problems.append(Problem(photo, f"different rectangle: {face.rectangle}", truth, face))
        if len(self.problems) == before:
            self.problems.append(Problem(photo, "faces in a different order"))
        self.moved += len(self.problems) - before

    def _add_face(self, photo: str, truth: AnsweredFace, face: AnsweredFace) -> None:
        if face.landmarks != truth.landmarks:
            self.landmarks += 1
            self.problems.append(Problem(photo, "different landmarks", truth, face))
        confidence = largest_difference([face.confidence], [truth.confidence])
        descriptor = largest_difference(face.descriptor, truth.descriptor)
        for name, difference, tolerance in (
            ("confidence", confidence, CONFIDENCE_TOLERANCE),
            ("descriptor", descriptor, DESCRIPTOR_TOLERANCE),
        ):
            if difference > tolerance:
                self.problems.append(Problem(photo, f"{name} differs by {difference:.1e}", truth, face))
        self.confidence = max(self.confidence, confidence)
        self.descriptor = max(self.descriptor, descriptor)
        if (face.confidence < GROUPING_CONFIDENCE) != (truth.confidence < GROUPING_CONFIDENCE):
            self.crossings += 1

    def add_computed(self, photo: str, detected: AnsweredFace, computed: AnsweredFace) -> None:
        """Compare the `/compute` answer for a face with that of `/detect`."""
        self.recomputed += 1
        difference = largest_difference(detected.descriptor, computed.descriptor)
        if computed.landmarks != detected.landmarks:
            difference = math.inf
        self.compute = max(self.compute, difference)
        if difference > SAME_DESCRIPTOR:
            self.problems.append(
                Problem(photo, f"/compute differs from /detect by {difference:.1e}", detected, computed)
            )

    def worst(self, count: int) -> list[Problem]:
        """Up to `count` problems, filled up with the largest differences within the tolerances."""
        listed = {id(problem.candidate) for problem in self.problems}
        within = [(_relative(match), match) for match in self.matches if id(match.candidate) not in listed]
        largest = sorted(within, key=lambda entry: -entry[0][0])[: max(count - len(self.problems), 0)]
        return self.problems[:count] + [
            Problem(match.photo, summary, match.reference, match.candidate)
            for (size, summary), match in largest
            if size > 0
        ]

    def note(self, result: Result, model: int) -> None:
        """Add the figures to a result."""
        figures = (
            ("", "photos", self.photos),
            ("", "faces", self.faces),
            ("", "failed", self.failed),
            ("", "faces differing", self.moved),
            ("", "confidence difference", self.confidence),
            ("", "across 0.99", self.crossings),
            ("landmarks", "faces differing", self.landmarks),
            ("descriptors", "largest difference", self.descriptor),
        )
        for stage, metric, value in figures:
            result.note(Key(section="parity", model=model, stage=stage, metric=metric), finite(value))
        if self.recomputed:
            result.note(Key(section="parity", model=model, metric="compute difference"), finite(self.compute))


def _relative(match: Match) -> tuple[float, str]:
    """Largest difference of a face as a share of its tolerance, with a description."""
    confidence = abs(match.candidate.confidence - match.reference.confidence)
    descriptor = largest_difference(match.candidate.descriptor, match.reference.descriptor)
    return max(
        (confidence / CONFIDENCE_TOLERANCE, f"confidence differs by {confidence:.1e}, within tolerance"),
        (descriptor / DESCRIPTOR_TOLERANCE, f"descriptor differs by {descriptor:.1e}, within tolerance"),
    )


def largest_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Largest absolute difference of two vectors' values; infinite for different lengths, NaN and infinity."""
    if len(first) != len(second):
        return math.inf
    difference = float(np.abs(np.subtract(first, second)).max(initial=0.0))
    return difference if math.isfinite(difference) else math.inf


INCOMPARABLE = 1e9
"""Stands for an infinite difference in a result: JSON has no infinity."""


def finite(value: float) -> float:
    """Value for a result: infinity and NaN become `INCOMPARABLE`."""
    return min(float(value), INCOMPARABLE) if not math.isnan(value) else INCOMPARABLE
