"""When a HOG face confirms a face of the CNN detector."""

from collections.abc import Sequence

from service.recognition.geometry import Rectangle, intersection_over_union

CONFIRMING_OVERLAP = 0.35
"""Intersection over union from which a HOG face confirms a CNN face (the Nextcloud app's own model 4)."""


def confirms(hog_face: Rectangle, face: Rectangle) -> bool:
    return intersection_over_union(face, hog_face) >= CONFIRMING_OVERLAP


def confirmed(faces: Sequence[Rectangle], hog_faces: Sequence[Rectangle]) -> list[bool]:
    """For each face whether any HOG face confirms it."""
    return [any(confirms(hog_face, face) for hog_face in hog_faces) for face in faces]
