"""Filters, thresholds and overlap rule of dlib's frontal face detector, read from the file in this package.

Dlib has them in its source code (dlib/image_processing/frontal_face_detector.h, Boost Software License 1.0,
copyright Davis E. King). `python -m conversion.hog` exports them to the file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.recognition.hog.separable import SeparableFilters
from service.recognition.nms import OverlapRule

PACKAGED = Path(__file__).with_name("frontal_face_detector.npz")


@dataclass(frozen=True)
class HogFilters:
    """Parameters of a HOG detector."""

    filters: SeparableFilters
    thresholds: NDArray[np.float64]
    """Shape (parts,): least score of a candidate."""
    rule: OverlapRule


def load(path: Path = PACKAGED) -> HogFilters:
    """Read a detector's file. Raises OSError, or ValueError or KeyError for a file of another format."""
    with np.load(path) as arrays:
        return HogFilters(
            SeparableFilters(arrays["rows"], arrays["columns"], arrays["planes"], arrays["parts"]),
            arrays["thresholds"],
            OverlapRule(float(arrays["overlap"]), float(arrays["covered"])),
        )


def save(path: Path, detector: HogFilters) -> None:
    """Write a detector to a file for `load`. Raises OSError."""
    np.savez_compressed(
        path,
        rows=detector.filters.rows,
        columns=detector.filters.columns,
        planes=detector.filters.planes,
        parts=detector.filters.parts,
        thresholds=detector.thresholds,
        overlap=np.float64(detector.rule.overlap),
        covered=np.float64(detector.rule.covered),
    )
