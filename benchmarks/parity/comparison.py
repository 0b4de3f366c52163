"""One model's answers held against those of a reference, photo by photo."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.harness.faces import AnsweredFace, matched
from benchmarks.harness.results import Key, Result

CONFIDENCE_TOLERANCE = 1e-5
DESCRIPTOR_TOLERANCE = 1e-5
"""Of each of the 128 values."""
SAME_DESCRIPTOR = 1e-6
"""Between `/detect` and `/compute` of one face: both by one service."""
GROUPING_CONFIDENCE = 0.99
"""Faces under it are never grouped by the app: a face that crosses it is a face lost or gained."""


@dataclass(frozen=True)
class Problem:
    """A difference beyond the tolerances. `reference` or `candidate` is None where only the other has the face."""

    photo: str
    says: str
    reference: AnsweredFace | None = None
    candidate: AnsweredFace | None = None

    def __str__(self) -> str:
        return f"{self.photo}: {self.says}"


@dataclass(frozen=True)
class Match:
    """One face, as both sides answer it."""

    photo: str
    reference: AnsweredFace
    candidate: AnsweredFace


@dataclass
class Comparison:
    """What one model's answers over all photos came to."""

    photos: int = 0
    faces: int = 0
    """Of the reference."""
    failed: int = 0
    """Photos with another answer than 200."""
    moved: int = 0
    """Faces that only one side has, or that are elsewhere or in another place of the answer's order."""
    remarked: int = 0
    """Faces with other landmarks."""
    confidence: float = 0.0
    """Largest difference."""
    descriptor: float = 0.0
    """Largest difference of one of the 128 values."""
    crossings: int = 0
    """Faces on the other side of the app's confidence threshold."""
    recomputed: int = 0
    """Faces that `/compute` was asked about."""
    compute: float = 0.0
    """Largest difference of one of the 128 values between `/detect` and `/compute`."""
    problems: list[Problem] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)

    def fail(self, photo: str, says: str, expected: Sequence[AnsweredFace]) -> None:
        """Note a photo that was not answered."""
        self.photos += 1
        self.faces += len(expected)
        self.failed += 1
        self.problems.append(Problem(photo, says))

    def add(self, photo: str, faces: Sequence[AnsweredFace], expected: Sequence[AnsweredFace]) -> None:
        """Hold one photo's answer against the reference's faces, in the reference's order."""
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
        told = len(self.problems)
        for truth in expected:
            if not any(truth is other for other, _ in pairs):
                self.problems.append(Problem(photo, f"no face at {truth.rectangle}", truth, None))
        for face in faces:
            if not any(face is other for _, other in pairs):
                self.problems.append(Problem(photo, f"a face too many at {face.rectangle}", None, face))
        for truth, face in pairs:
            if truth.rectangle != face.rectangle:
                self.problems.append(
                    Problem(photo, f"a face at another place: {face.rectangle}", truth, face)
                )
        if len(self.problems) == told:
            self.problems.append(Problem(photo, "the faces are in another order"))
        self.moved += len(self.problems) - told

    def _add_face(self, photo: str, truth: AnsweredFace, face: AnsweredFace) -> None:
        if face.landmarks != truth.landmarks:
            self.remarked += 1
            self.problems.append(Problem(photo, "other landmarks", truth, face))
        confidence = largest_difference([face.confidence], [truth.confidence])
        descriptor = largest_difference(face.descriptor, truth.descriptor)
        for what, difference, tolerance in (
            ("confidence", confidence, CONFIDENCE_TOLERANCE),
            ("descriptor", descriptor, DESCRIPTOR_TOLERANCE),
        ):
            if difference > tolerance:
                self.problems.append(Problem(photo, f"the {what} differs by {difference:.1e}", truth, face))
        self.confidence = max(self.confidence, confidence)
        self.descriptor = max(self.descriptor, descriptor)
        if (face.confidence < GROUPING_CONFIDENCE) != (truth.confidence < GROUPING_CONFIDENCE):
            self.crossings += 1

    def add_computed(self, photo: str, detected: AnsweredFace, computed: AnsweredFace) -> None:
        """Hold the `/compute` answer for a face of `/detect` against that face."""
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
        """The problems, and where there are fewer than `count`, the largest differences within the tolerances."""
        told = {id(problem.candidate) for problem in self.problems}
        within = [(_relative(match), match) for match in self.matches if id(match.candidate) not in told]
        largest = sorted(within, key=lambda entry: -entry[0][0])[: max(count - len(self.problems), 0)]
        return self.problems[:count] + [
            Problem(match.photo, says, match.reference, match.candidate)
            for (size, says), match in largest
            if size > 0
        ]

    def note(self, result: Result, model: int) -> None:
        """Put it all into a result."""
        figures = (
            ("", "photos", self.photos),
            ("", "faces", self.faces),
            ("", "failed", self.failed),
            ("", "faces differing", self.moved),
            ("", "confidence difference", self.confidence),
            ("", "across 0.99", self.crossings),
            ("landmarks", "faces differing", self.remarked),
            ("descriptors", "largest difference", self.descriptor),
        )
        for stage, metric, value in figures:
            result.note(Key(section="parity", model=model, stage=stage, metric=metric), noted(value))
        if self.recomputed:
            result.note(Key(section="parity", model=model, metric="compute difference"), noted(self.compute))


def _relative(match: Match) -> tuple[float, str]:
    """A face's largest difference as a share of its tolerance, in words too."""
    confidence = abs(match.candidate.confidence - match.reference.confidence)
    descriptor = largest_difference(match.candidate.descriptor, match.reference.descriptor)
    return max(
        (confidence / CONFIDENCE_TOLERANCE, f"the confidence differs by {confidence:.1e}, within the bound"),
        (descriptor / DESCRIPTOR_TOLERANCE, f"the descriptor differs by {descriptor:.1e}, within the bound"),
    )


def largest_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Of two vectors' values. Infinite where they cannot be compared."""
    if len(first) != len(second):
        return math.inf
    difference = float(np.abs(np.subtract(first, second)).max(initial=0.0))
    return difference if math.isfinite(difference) else math.inf


INCOMPARABLE = 1e9
"""What stands in a result for an infinite difference, which JSON cannot hold."""


def noted(value: float) -> float:
    """A value for a result."""
    return min(float(value), INCOMPARABLE) if not math.isnan(value) else INCOMPARABLE
