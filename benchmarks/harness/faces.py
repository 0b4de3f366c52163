"""A face as any side answers it, and which faces of two answers are the same one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.recognition.geometry import Rectangle, intersection_over_union

SAME_FACE = 0.5
"""Overlap (intersection over union) from which two boxes are of one face."""


@dataclass(frozen=True)
class AnsweredFace:
    """A face in pixels of the array."""

    rectangle: Rectangle
    confidence: float
    landmarks: tuple[tuple[int, int], ...]
    """x, y of 5 or 68 points."""
    descriptor: tuple[float, ...]
    """128 numbers, not normalised."""


def of_entry(entry: Any) -> AnsweredFace:
    """A face as JSON keeps it: rectangle, confidence, landmarks, descriptor. Raises ValueError or TypeError."""
    rectangle, confidence, landmarks, descriptor = entry
    points = tuple((x, y) for x, y in landmarks)
    return AnsweredFace(Rectangle(*rectangle), confidence, points, tuple(descriptor))


def of_answer(answer: Any) -> list[AnsweredFace]:
    """The faces of a `/detect` answer. Raises KeyError or TypeError where it is none."""
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


def distance(one: AnsweredFace, other: AnsweredFace) -> float:
    """Euclidean, of their descriptors."""
    return float(np.linalg.norm(np.subtract(one.descriptor, other.descriptor)))


def matched(
    expected: Sequence[AnsweredFace], found: Sequence[AnsweredFace]
) -> list[tuple[AnsweredFace, AnsweredFace]]:
    """Each expected face with the found one that overlaps it most, where one does enough, each at most once."""
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
