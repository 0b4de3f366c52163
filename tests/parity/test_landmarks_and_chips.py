"""Landmarks and chips against dlib on all photos in full size: equal numbers and equal bytes."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.harness.corpus import photos_in
from benchmarks.parity.decoded_photos import decoded
from model_store import manifest
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS
from service.recognition.faces import chips
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.geometry import Rectangle
from service.settings import ADVERTISED_AREA
from tests.unit.service.recognition import dlib_reference

SEARCHED_SIDE = 500
"""Pixels, the longer side of photos for face detection, since dlib's detector takes most of the time."""
JITTERED = 4
"""Number of shifted and scaled rectangles per face, and of random rectangles per photo."""


def _faces(image: NDArray[np.uint8], state: np.random.Generator) -> list[Rectangle]:
    factor = max(1.0, max(image.shape[:2]) / SEARCHED_SIDE)
    small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    faces = []
    for found in dlib.get_frontal_face_detector()(np.ascontiguousarray(small), 0):
        box = factor * np.array((found.left(), found.top(), found.right(), found.bottom()))
        side = box[2] - box[0]
        jitter = state.normal(0, 0.12 * side, (JITTERED, 4))
        faces += [Rectangle(*map(int, box + shift)) for shift in (np.zeros(4), *jitter)]
    return faces + dlib_reference.jittered(state, image, JITTERED)


def _check(photos: Iterable[Path], store: Path) -> int:
    """Compares all faces of the photos; returns their number."""
    state = np.random.default_rng(12)
    landmarks = {
        name: Landmarks(Predictor.load(manifest.graph_path(store, name)))
        for name in (FIVE_POINTS, SIXTY_EIGHT_POINTS)
    }
    compared = 0
    undecodable: list[str] = []
    for photo in decoded(photos, ADVERTISED_AREA, undecodable):
        faces = _faces(photo.image, state)
        compared += len(faces)
        for name, find in landmarks.items():
            points = find(photo.image, faces)
            expected = dlib_reference.points(store / "weights" / f"{name}.dat", photo.image, faces)
            np.testing.assert_array_equal(points, expected, f"{name} in {photo.name}")
            cut = chips.cut(photo.image, points)
            np.testing.assert_array_equal(cut, dlib_reference.chips(photo.image, points), photo.name)
    return compared


def test_equal_to_dlib_on_photos_from_packages(photos: dict[str, Path], store: Path) -> None:
    assert _check(photos.values(), store) > 100


@pytest.mark.slow
def test_equal_to_dlib_on_photos_of_the_folder(photo_folder: Path, store: Path) -> None:
    files = photos_in(photo_folder / "dev")
    if len(files) < 50:
        pytest.fail(f"{len(files)} photos are too few")
    assert _check(files, store) > 400
