"""dlib's shape predictors as array files that load in a millisecond, each proven against dlib before it is written.

Reading one takes seconds, since the file packs every number into as few bytes as it needs: once is enough.
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
from conversion.validation.pictures import SEED, Picture, scenes
from conversion.validation.validate import compare, dlibs_values
from model_store import manifest
from model_store.atomic import atomic_file
from model_store.manifest import Manifest, Proof
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.geometry import Rectangle

POINTS: Mapping[str, int] = MappingProxyType({FIVE_POINTS: 5, SIXTY_EIGHT_POINTS: 68})
"""By catalogue name."""

TOLERANCE: Mapping[str, float] = MappingProxyType({"points": 0.0})
"""Landmarks are whole numbers."""

RECTANGLES = 40
"""Compared in each picture, from a few pixels to its size, inside of it and beyond."""


@dataclass(frozen=True)
class WeightFile:
    """Which training vectors were recorded of."""

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
    """Convert one predictor and publish its array file, then its manifest.

    Args:
        store: the model store's root.
        name: catalogue name of the weights, a key of POINTS.
        weights: the file, already verified.
        photos: RGB pictures to prove it on besides the drawn ones.
        progress: told of each step: reading, building, proving, writing.
        build: what becomes of the arrays that were read.

    Raises:
        DatError: the file is not the predictor it should be.
        ProofError, DlibError: it was not proven; nothing was written.
        OSError: the store cannot be written.
    """
    progress("reading")
    data = weights.read_bytes()
    source = WeightFile(hashlib.sha256(data).hexdigest())
    predictor = read_predictor(data, POINTS[name])
    progress("building")
    predictor = build(predictor)
    file = io.BytesIO()
    np.save(file, predictor.record(), allow_pickle=False)
    progress("proving")
    proof = prove(name, predictor, weights, source, photos)
    progress("writing")
    written = Manifest(
        name=name,
        converter=manifest.CONVERTER_VERSION,
        opset=None,
        source_sha256=source.sha256,
        graph_sha256=hashlib.sha256(file.getbuffer()).hexdigest(),
        proof=proof,
        detector=None,
    )
    with atomic_file(manifest.graph_path(store, name)) as target:
        target.write(file.getbuffer())
    manifest.write(store, written)
    return written


def prove(
    name: str, predictor: Predictor, weights: Path, source: WeightFile, photos: Sequence[Picture] = ()
) -> Proof:
    """Compare a predictor's points with dlib's, or with what dlib gave earlier where it cannot run.

    Raises:
        ProofError: a point differs, or there is nothing to compare with.
        DlibError: dlib does not load or run these weights.
    """
    pictures = [*scenes(), *photos]
    against, expected = dlibs_values(
        lambda: {"points": points_of_dlib(weights, pictures)}, name, source, pictures, photos
    )
    landmarks = Landmarks(predictor)
    found = [
        landmarks(np.ascontiguousarray(picture), faces)
        for picture, faces in zip(pictures, rectangles(pictures), strict=True)
    ]
    differences = compare(expected, {"points": np.concatenate(found)}, TOLERANCE)
    return Proof(against, len(pictures), len(photos), differences, dict(TOLERANCE))


def record(name: str, weights: Path) -> Path:
    """Ask dlib for the points of a predictor, and keep them in this package; return their file.

    Raises DlibError, and DlibUnavailableError where dlib cannot run.
    """
    source = WeightFile(hashlib.sha256(weights.read_bytes()).hexdigest())
    pictures = scenes()
    values = {"points": points_of_dlib(weights, pictures).astype(np.int16)}
    return recorded.save(name, source, pictures, recorded.Record(reference.dlib_version(), values))


def points_of_dlib(weights: Path, pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """dlib's points of every rectangle of every picture: shape (faces, points, 2)."""
    faces = [
        (number, *rectangle)
        for number, of_picture in enumerate(rectangles(pictures))
        for rectangle in of_picture
    ]
    return reference.landmarks(weights, pictures, np.array(faces, np.int64))


def rectangles(pictures: Sequence[Picture]) -> list[list[Rectangle]]:
    """Where faces are supposed in each picture, the same at every call."""
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
