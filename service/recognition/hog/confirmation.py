"""Confirmation of the CNN detector's faces by detections of the HOG detector, by intersection over union (IoU)."""

from collections.abc import Sequence

from service.recognition.geometry import Rectangle, intersection_over_union

CONFIRMING_OVERLAP = 0.35
"""IoU from which a HOG detection confirms a CNN face (model 4 of the Nextcloud app)."""


def confirms(hog_face: Rectangle, face: Rectangle) -> bool:
    """True if a HOG detection confirms a face, both in pixels of the photo."""
    return intersection_over_union(face, hog_face) >= CONFIRMING_OVERLAP


def confirmed(faces: Sequence[Rectangle], hog_faces: Sequence[Rectangle]) -> list[bool]:
    """For each face, True if any HOG detection confirms it."""
    return [any(confirms(hog_face, face) for hog_face in hog_faces) for face in faces]
