"""The filters of dlib's frontal face detector, from what dlib saves to the array file that the service carries.

They are part of dlib's code and the same in every release, so the file (25 kB) comes with the package and nobody
has to convert it; this module says how it was made, and makes it anew: `python -m conversion.hog`.

Source: dlib/image_processing/object_detector.h and scan_fhog_pyramid.h (serialize, build_fhog_filterbank).
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conversion.dat.primitives import DatError, Reader
from conversion.validation import reference
from conversion.validation.dlib_process import SCORES_FROM
from conversion.validation.pictures import Picture, scenes
from conversion.validation.validate import ValueMismatchError, compare
from service.recognition.compute.cores import Cores
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.detector import HogDetector
from service.recognition.hog.fhog import CELL, PLANES
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.levels import LEAST_SIDE
from service.recognition.hog.separable import TAPS, Filters
from service.recognition.nms import OverlapRule

WEIGHTS = PLANES * TAPS * TAPS
LARGEST_DETECTOR = 64
"""Parts; the frontal face detector has five."""
_PADDING = 0
_MOST_LEVELS = 1000
_SCANNER = (CELL, _PADDING, CELL * TAPS, CELL * TAPS, _MOST_LEVELS, LEAST_SIDE, LEAST_SIDE)
"""Cell size, padding, window, most levels, least layer: the scanner's configuration that is supported."""
_LEAST_SINGULAR_VALUE = 1e-4
_LEAST_SINGULAR_SHARE = 0.001
"""Singular values under either are dropped (build_fhog_filterbank)."""
SCORE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class SavedDetector:
    """A dlib.fhog_object_detector file."""

    weights: NDArray[np.float64]
    """Shape (parts, planes, 10, 10): cells down and across."""
    thresholds: NDArray[np.float64]
    """Shape (parts,)."""
    overlap: float
    covered: float


def read_detector(data: bytes) -> SavedDetector:
    """Read a HOG detector of dlib's. Raises DatError for anything else, or for another window or cell size."""
    reader = Reader(data)
    reader.version("a HOG detector", 2)
    reader.version("its scanner", 1)
    for extent in ("planes", "levels"):
        reader.integer(f"{extent} of an image in the file", 0, 0)
    found = tuple(reader.integer(f"scanner setting {number}") for number in range(len(_SCANNER)))
    if found != _SCANNER:
        raise DatError(f"the scanner's settings are {found}; supported is {_SCANNER}")
    reader.finite("regularization strength")
    reader.integer("number of weights", WEIGHTS, WEIGHTS)
    overlap, covered = reader.finite("overlap threshold"), reader.finite("covered threshold")
    parts = reader.integer("number of parts", 1, LARGEST_DETECTOR)
    values = np.array([_column(reader, part) for part in range(parts)])
    reader.end()
    weights = values[:, :WEIGHTS].reshape(parts, PLANES, TAPS, TAPS)
    return SavedDetector(weights, values[:, WEIGHTS], overlap, covered)


def _column(reader: Reader, part: int) -> list[float]:
    """The weights of a part and its threshold. A matrix announces its size in negative numbers (matrix.h)."""
    reader.integer("rows", -(WEIGHTS + 1), -(WEIGHTS + 1))
    reader.integer("columns", -1, -1)
    return [reader.finite(f"weight {number} of part {part}") for number in range(WEIGHTS + 1)]


def separated(detector: SavedDetector) -> HogFilters:
    """Split every plane of every filter into row and column filters, dropping what dlib drops."""
    rows, columns, planes, parts = [], [], [], []
    for part, filters in enumerate(detector.weights):
        for plane, weights in enumerate(filters):
            left, values, right = np.linalg.svd(weights)
            least = max(_LEAST_SINGULAR_VALUE, values.max() * _LEAST_SINGULAR_SHARE)
            for number in np.flatnonzero(values >= least):
                columns.append((left[:, number] * np.sqrt(values[number])).astype(np.float32))
                rows.append((right[number] * np.sqrt(values[number])).astype(np.float32))
                planes.append(plane)
                parts.append(part)
    return HogFilters(
        Filters(np.array(rows), np.array(columns), np.array(planes), np.array(parts)),
        detector.thresholds,
        OverlapRule(detector.overlap, detector.covered),
    )


def prove(filters: HogFilters, pictures: Sequence[Picture]) -> dict[str, float]:
    """Compare boxes and scores with dlib's, the largest difference of each.

    Raises:
        ValueMismatchError: a box, its part or its order is another, or a score is off by more than the tolerance.
        DlibUnavailableError, DlibError: there is nothing to compare with.
    """
    expected = reference.frontal_scores(pictures)
    with closing(Cores()) as cores:
        detector = HogDetector(filters, cores)
        computed = np.array(
            [
                (number, *face.rectangle, face.score, face.part)
                for number, picture in enumerate(pictures)
                for face in detector.faces(picture, SCORES_FROM)
            ]
        ).reshape(-1, expected.shape[1])
    score = [5]
    return compare(
        {"faces": np.delete(expected, score, 1), "scores": expected[:, score]},
        {"faces": np.delete(computed, score, 1), "scores": computed[:, score]},
        {"faces": 0.0, "scores": SCORE_TOLERANCE},
    )


def export(path: Path = hog_filters.PACKAGED) -> dict[str, float]:
    """Make the array file of the installed dlib's detector and return what `prove` found.

    Raises DatError, ValueMismatchError, DlibUnavailableError, DlibError, or OSError; nothing was written then.
    """
    filters = separated(read_detector(reference.frontal_file()))
    differences = prove(filters, scenes())
    hog_filters.save(path, filters)
    return differences


def main() -> int:
    try:
        differences = export()
    except (
        DatError,
        ValueMismatchError,
        reference.DlibUnavailableError,
        reference.DlibError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    figures = ", ".join(f"{what} {largest:.1e}" for what, largest in differences.items())
    print(f"{hog_filters.PACKAGED.name}: largest difference from dlib: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
