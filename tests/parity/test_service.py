"""Parity of the running service with dlib, models 1 to 4, on photos with every trait that affects faces.

`make parity` does the same for all photos of a folder, with a report.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.harness.corpus import photos_in
from benchmarks.harness.options import COMPARABLE_MODELS
from benchmarks.parity.candidates import started
from benchmarks.parity.comparison import Comparison
from benchmarks.parity.corpus_comparison import query
from benchmarks.parity.decoded_photos import Photo, decoded
from benchmarks.parity.reference import WEIGHTS, References
from model_store.store import WeightStore
from service.settings import ADVERTISED_AREA
from tests.paths import ROOT

FOLDER_PHOTOS = (
    "facenetpt_multiface.jpg",  # six faces
    "dlib_2008_002506.jpg",  # three
    "dlib_2008_004176.jpg",  # seven, most too small for the CNN
    "deepface_selfie_many.jpg",  # cut by the border
    "deepface_img45.jpg",
    "deepface_img12.jpg",
    "fr_alex-lacamoire.png",  # RGBA
    "pillow_hopper.jpg",  # 128 pixels
)
"""Small photos of dev/ in the photo folder, since dlib takes 6 s per megapixel."""

SMALLER_AREA = 600_000
"""Pixels; the larger photos of the folder take another 15 minutes with dlib-bin."""


def _decoded(paths: list[Path]) -> list[Photo]:
    undecodable: list[str] = []
    photos = list(decoded(paths, ADVERTISED_AREA, undecodable))
    assert undecodable == []
    return photos


def _variants(portrait: NDArray[np.uint8], group: list[NDArray[np.uint8]]) -> Iterator[Photo]:
    """Synthetic photos, uint8 RGB: dark, blurred, rotated, sheared, many faces, cut, gray, a strip, and noise."""
    rows, columns = portrait.shape[:2]
    rotation = cv2.getRotationMatrix2D((columns / 2, rows / 2), 25, 1.0)
    shear = np.array([[1, 0.3, -40], [0, 1, 0]], np.float64)
    noise = np.random.default_rng(7).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    pictures = {
        "dark": portrait // 6,
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 4),
        "rotated": cv2.warpAffine(portrait, rotation, (columns, rows)),
        "rotated by 90 degrees": portrait.transpose(1, 0, 2),
        "sheared": cv2.warpAffine(portrait, shear, (columns, rows)),
        "gray": np.repeat(portrait.mean(axis=2, keepdims=True), 3, axis=2),
        "cut": portrait[80:, : columns // 2 - 10],
        "many": np.concatenate([cv2.resize(face, (400, 266)) for face in group]),
        "strip": portrait[60:180, :],
        "noise": noise,
    }
    for name, picture in pictures.items():
        yield Photo(name, np.ascontiguousarray(picture.astype(np.uint8)))


@pytest.fixture(scope="module")
def corpus_photos(photos: dict[str, Path]) -> list[Photo]:
    decoded = {photo.name: photo for photo in _decoded(list(photos.values()))}
    small = cv2.resize(decoded["astronaut.png"].image, (400, 400), interpolation=cv2.INTER_AREA)
    portraits = [photo.image for name, photo in decoded.items() if name.startswith("800px")]
    return [*decoded.values(), *_variants(small.astype(np.uint8), [*portraits, decoded["obama.jpg"].image])]


def _compare(photos: list[Photo], store: Path) -> dict[int, Comparison]:
    weights = WeightStore(store)
    references = References(ROOT / ".cache" / "reference", {name: weights.path(name) for name in WEIGHTS})
    comparisons = {model: Comparison() for model in COMPARABLE_MODELS}
    with started(COMPARABLE_MODELS, store) as services:
        for photo, reference in references.of(photos, processes=2):
            for model, service in services.items():
                query(service, photo, reference.models[model], comparisons[model])
    return comparisons


def _assert_equal(comparisons: dict[int, Comparison], photos: int, faces: int) -> None:
    for model, comparison in comparisons.items():
        assert comparison.problems == [], f"model {model}"
        assert comparison.crossings == 0
        assert comparison.photos == photos
        assert comparison.faces >= faces
        assert comparison.recomputed == comparison.faces


@pytest.mark.slow
def test_every_model_equals_dlib_on_photos_from_packages_and_variants(
    corpus_photos: list[Photo], store: Path
) -> None:
    _assert_equal(_compare(corpus_photos, store), len(corpus_photos), faces=18)


@pytest.mark.slow
def test_every_model_equals_dlib_on_photos_of_the_folder(photo_folder: Path, store: Path) -> None:
    photos = _decoded([photo_folder / "dev" / name for name in FOLDER_PHOTOS])
    _assert_equal(_compare(photos, store), len(FOLDER_PHOTOS), faces=10)


@pytest.mark.slow
def test_every_model_equals_dlib_at_six_megapixels(photos: dict[str, Path], store: Path) -> None:
    """A larger photo than those of packages: more levels, and a tile that exceeds any cache."""
    (photo,) = _decoded([photos["biden.jpg"]])
    large = cv2.resize(photo.image, (1626, 3690), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    _assert_equal(_compare([Photo("large", large)], store), 1, faces=1)


@pytest.mark.slow
def test_every_model_equals_dlib_on_all_smaller_photos_of_the_folder(photo_folder: Path, store: Path) -> None:
    photos = [
        photo
        for photo in _decoded(photos_in(photo_folder / "dev"))
        if photo.image.shape[0] * photo.image.shape[1] < SMALLER_AREA
    ]
    assert len(photos) >= 30
    _assert_equal(_compare(photos, store), len(photos), faces=30)
