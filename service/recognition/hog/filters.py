"""The filters of dlib's frontal face detector, as they come with this package.

dlib carries them in its own code (dlib/image_processing/frontal_face_detector.h, Boost Software License 1.0,
copyright Davis E. King); `python -m conversion.hog` makes the file from what dlib saves.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.recognition.hog.separable import Filters
from service.recognition.nms import OverlapRule

PACKAGED = Path(__file__).with_name("frontal_face_detector.npz")


@dataclass(frozen=True)
class HogFilters:
    """What a HOG detector's file says."""

    filters: Filters
    thresholds: NDArray[np.float64]
    """Shape (parts,): a score from it on fires."""
    rule: OverlapRule


def load(path: Path = PACKAGED) -> HogFilters:
    """Read the filters. Raises OSError, or ValueError or KeyError for a file that is no such thing."""
    with np.load(path) as arrays:
        return HogFilters(
            Filters(arrays["rows"], arrays["columns"], arrays["planes"], arrays["parts"]),
            arrays["thresholds"],
            OverlapRule(float(arrays["overlap"]), float(arrays["covered"])),
        )


def save(path: Path, detector: HogFilters) -> None:
    """Write the filters so that `load` reads them back."""
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
