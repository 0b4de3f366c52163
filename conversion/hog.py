"""Export of dlib's frontal face detector (HOG) to the array file in the service's package.

The filters are part of dlib's source code and equal in every release. So the file (25 kB) comes with the package, and
no installation converts it. `python -m conversion.hog` exports it again from the installed dlib.

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
from conversion.validation.validate import ValueMismatchError, compare
from service.recognition.compute.cores import Cores
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.detector import HogDetector
from service.recognition.hog.fhog import CELL, PLANES
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.levels import MINIMUM_SIDE
from service.recognition.hog.separable import TAPS, SeparableFilters
from service.recognition.nms import OverlapRule
from service.recognition.synthetic_pictures import Picture, scenes

WEIGHTS = PLANES * TAPS * TAPS
MAXIMUM_DETECTOR = 64
"""Largest number of parts; the frontal face detector has five."""
_PADDING = 0
_MAXIMUM_LEVELS = 1000
_SCANNER = (CELL, _PADDING, CELL * TAPS, CELL * TAPS, _MAXIMUM_LEVELS, MINIMUM_SIDE, MINIMUM_SIDE)
"""Supported scanner settings: cell size, padding, window height and width, most levels, least height and width."""
_MINIMUM_SINGULAR_VALUE = 1e-4
_MINIMUM_SINGULAR_SHARE = 0.001
"""Singular values under either bound are dropped (build_fhog_filterbank)."""
SCORE_TOLERANCE = 1e-5
"""Largest accepted difference of a score from dlib's."""


@dataclass(frozen=True)
class SavedDetector:
    """Contents of a dlib.fhog_object_detector file."""

    weights: NDArray[np.float64]
    """Shape (parts, planes, 10, 10): the last two axes are cells down and across."""
    thresholds: NDArray[np.float64]
    """Shape (parts,)."""
    overlap: float
    covered: float


def read_detector(data: bytes) -> SavedDetector:
    """Read one of dlib's HOG detectors. Raises DatError for other data, or for other scanner settings."""
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
    parts = reader.integer("number of parts", 1, MAXIMUM_DETECTOR)
    values = np.array([_column(reader, part) for part in range(parts)])
    reader.end()
    weights = values[:, :WEIGHTS].reshape(parts, PLANES, TAPS, TAPS)
    return SavedDetector(weights, values[:, WEIGHTS], overlap, covered)


def _column(reader: Reader, part: int) -> list[float]:
    """Weights of a part and its threshold. A serialized matrix has negated extents (matrix.h)."""
    reader.integer("rows", -(WEIGHTS + 1), -(WEIGHTS + 1))
    reader.integer("columns", -1, -1)
    return [reader.finite(f"weight {number} of part {part}") for number in range(WEIGHTS + 1)]


def separated(detector: SavedDetector) -> HogFilters:
    """Split every plane of every filter into row and column filters by its SVD, as build_fhog_filterbank does."""
    rows, columns, planes, parts = [], [], [], []
    for part, filters in enumerate(detector.weights):
        for plane, weights in enumerate(filters):
            left, values, right = np.linalg.svd(weights)
            least = max(_MINIMUM_SINGULAR_VALUE, values.max() * _MINIMUM_SINGULAR_SHARE)
            for number in np.flatnonzero(values >= least):
                columns.append((left[:, number] * np.sqrt(values[number])).astype(np.float32))
                rows.append((right[number] * np.sqrt(values[number])).astype(np.float32))
                planes.append(plane)
                parts.append(part)
    return HogFilters(
        SeparableFilters(np.array(rows), np.array(columns), np.array(planes), np.array(parts)),
        detector.thresholds,
        OverlapRule(detector.overlap, detector.covered),
    )


def validate(filters: HogFilters, pictures: Sequence[Picture]) -> dict[str, float]:
    """Compare boxes and scores with dlib's, and return the largest difference of each.

    Raises:
        ValueMismatchError: a box, its part or the order differs, or a score differs by more than the tolerance.
        DlibUnavailableError, DlibError: dlib gives no values to compare with.
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
    """Export the installed dlib's detector to the array file, and return the differences of `validate`.

    Raises DatError, ValueMismatchError, DlibUnavailableError, DlibError, or OSError, and then writes no file.
    """
    filters = separated(read_detector(reference.frontal_file()))
    differences = validate(filters, scenes())
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
    figures = ", ".join(f"{name} {largest:.1e}" for name, largest in differences.items())
    print(f"{hog_filters.PACKAGED.name}: largest difference from dlib: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
