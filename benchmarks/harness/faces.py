"""Faces of an answer, and the matching of two answers' faces by intersection over union (IoU)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.recognition.geometry import Rectangle, intersection_over_union

SAME_FACE = 0.5
"""IoU from which two boxes count as the same face."""


@dataclass(frozen=True)
class AnsweredFace:
    """One face of an answer, in pixels of the upright photo."""

    rectangle: Rectangle
    confidence: float
    landmarks: tuple[tuple[int, int], ...]
    """x and y of 5 or 68 points."""
    descriptor: tuple[float, ...]
    """128 values, not normalised."""


def of_entry(entry: Any) -> AnsweredFace:
    """Parse a recorded face: rectangle, confidence, landmarks, descriptor. Raises ValueError or TypeError."""
    rectangle, confidence, landmarks, descriptor = entry
    points = tuple((x, y) for x, y in landmarks)
    return AnsweredFace(Rectangle(*rectangle), confidence, points, tuple(descriptor))


def of_answer(answer: Any) -> list[AnsweredFace]:
    """Parse the faces of a `/detect` answer. Raises KeyError or TypeError if it is malformed."""
    faces = [
        AnsweredFace(
            Rectangle(face["left"], face["top"], face["right"], face["bottom"]),
            face["detection_confidence"],
            tuple((point["x"], point["y"]) for point in face["landmarks"]),
            tuple(face["descriptor"]),
        )
        for face in answer["faces"]
    ]
    if answer["faces-count"] != len(faces):
        raise KeyError(f"faces-count is {answer['faces-count']}, and there are {len(faces)}")
    return faces


def matched(
    expected: Sequence[AnsweredFace], found: Sequence[AnsweredFace]
) -> list[tuple[AnsweredFace, AnsweredFace]]:
    """Greedy matching: each expected face, in order, with the unused found face of the highest IoU >= `SAME_FACE`."""
    free = list(found)
    pairs = []
    for face in expected:
        best = max(
            free, key=lambda other: intersection_over_union(face.rectangle, other.rectangle), default=None
        )
        if best is not None and intersection_over_union(face.rectangle, best.rectangle) >= SAME_FACE:
            pairs.append((face, best))
            free = [other for other in free if other is not best]
    return pairs
