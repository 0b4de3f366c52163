"""Export of dlib's shape predictors to array files, which load in a millisecond.

Reading a .dat takes seconds, since every number is packed into as few bytes as it needs.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_predictor import read_predictor
from conversion.validation import recorded, reference
from conversion.validation.validate import compare, dlib_values
from model_store import manifest
from model_store.manifest import Manifest, Validation
from model_store.models import LANDMARK_POINTS
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.geometry import Rectangle
from service.recognition.synthetic_pictures import SEED, Picture, scenes

TOLERANCE: Mapping[str, float] = MappingProxyType({"points": 0.0})
"""Landmarks are integers, which must be equal."""

RECTANGLES = 40
"""Number of compared rectangles per picture: from a few pixels to its size, inside and partly outside of it."""


@dataclass(frozen=True)
class WeightFile:
    """Identity of a weight file, for recorded values."""

    sha256: str

    def fingerprint(self) -> str:
        return self.sha256


def export(
    store: Path,
    name: str,
    weights: Path,
    photos: Sequence[Picture] = (),
    progress: Callable[[str], None] = lambda step: None,
    build: Callable[[Predictor], Predictor] = lambda predictor: predictor,
) -> Manifest:
    """Convert one predictor to an array file with its manifest.

    Args:
        store: root of the model store.
        name: catalogue name of the weights, a key of LANDMARK_POINTS.
        weights: the verified file.
        photos: RGB photos for validation, in addition to the synthetic pictures.
        progress: called at the start of each of `export.STEPS`.
        build: changes the arrays that were read.

    Raises:
        DatError: the file is of another kind, or corrupt.
        ValidationFailedError, DlibError: the arrays were not validated, and nothing was written.
        StorageError: the store cannot be written.
    """
    progress("reading")
    data = weights.read_bytes()
    source = WeightFile(hashlib.sha256(data).hexdigest())
    shape_predictor = read_predictor(data, LANDMARK_POINTS[name])
    progress("building")
    predictor = build(shape_predictor)
    file = io.BytesIO()
    np.save(file, predictor.record(), allow_pickle=False)
    progress("validating")
    validation = validate_landmarks(name, predictor, weights, source, photos)
    progress("writing")
    return manifest.publish(store, name, file.getvalue(), source_sha256=source.sha256, validation=validation)


def validate_landmarks(
    name: str, predictor: Predictor, weights: Path, source: WeightFile, photos: Sequence[Picture] = ()
) -> Validation:
    """Compare a predictor's points with dlib's, or with recorded points of dlib if it cannot run.

    Raises:
        ValidationFailedError: a point differs, or there are no recorded points.
        DlibError: dlib does not load or run these weights.
    """
    pictures = [*scenes(), *photos]
    validated_by, expected = dlib_values(
        lambda: {"points": dlib_points(weights, pictures)}, name, source, pictures, photos
    )
    landmarks = Landmarks(predictor)
    found = [
        landmarks(np.ascontiguousarray(picture), faces)
        for picture, faces in zip(pictures, rectangles(pictures), strict=True)
    ]
    differences = compare(expected, {"points": np.concatenate(found)}, TOLERANCE)
    return Validation(validated_by, len(pictures), len(photos), differences, dict(TOLERANCE))


def record(name: str, weights: Path) -> Path:
    """Record dlib's points for a predictor in this package; return their file.

    Raises DlibError, and DlibUnavailableError if dlib cannot run.
    """
    source = WeightFile(hashlib.sha256(weights.read_bytes()).hexdigest())
    pictures = scenes()
    values = {"points": dlib_points(weights, pictures).astype(np.int16)}
    return recorded.save(name, source, pictures, recorded.Record(reference.dlib_version(), values))


def dlib_points(weights: Path, pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """Dlib's points of every rectangle of every picture: shape (faces, points, 2)."""
    faces = [
        (number, *rectangle)
        for number, of_picture in enumerate(rectangles(pictures))
        for rectangle in of_picture
    ]
    return reference.landmarks(weights, pictures, np.array(faces, np.int64))


def rectangles(pictures: Sequence[Picture]) -> list[list[Rectangle]]:
    """Pseudo-random face rectangles of each picture, the same at every call."""
    state = np.random.RandomState(SEED + 2)
    result = []
    for picture in pictures:
        rows, columns = picture.shape[:2]
        sides = state.randint(2, max(rows, columns), RECTANGLES)
        centres = state.randint(0, 101, (RECTANGLES, 2)) * (columns, rows) // 100
        result.append(
            [
                Rectangle(int(x - side // 2), int(y - side // 2), int(x + side // 2), int(y + side // 2))
                for side, (x, y) in zip(sides, centres, strict=True)
            ]
        )
    return result
