"""The upstream service's overlap rule for model 4, and the HOG verdicts that it changes."""

import math

from benchmarks.parity.reference import OVERLAP, Reference
from service.recognition.geometry import Rectangle


def changed_verdicts(reference: Reference) -> int:
    """Number of faces of model 4 with another verdict by upstream's overlap than by the true IoU.

    Upstream (overlap_percent in facerecognition-external-model.py) takes the larger of the two right and bottom
    edges instead of the smaller, so that any contact with a larger box tends to confirm the face.
    """
    changed = 0
    for raw, judged in zip(reference.models[1], reference.models[4], strict=True):
        confirmed = judged.confidence == raw.confidence
        changed += confirmed != any(_overlap(raw.rectangle, hog) >= OVERLAP for hog in reference.hog)
    return changed


def _overlap(first: Rectangle, second: Rectangle) -> float:
    if (
        first.left >= second.right
        or second.left >= first.right
        or first.top >= second.bottom
        or second.top >= first.bottom
    ):
        return 0.0
    shared = (max(first.right, second.right) - max(first.left, second.left)) * (
        max(first.bottom, second.bottom) - max(first.top, second.top)
    )
    areas = sum((box.right - box.left) * (box.bottom - box.top) for box in (first, second))
    return shared / (areas - shared) if areas != shared else math.inf
