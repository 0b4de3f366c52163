"""Export of landmark predictors: written arrays are usable, and wrong ones are not written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conversion import landmarks
from conversion.dat.primitives import DatError
from conversion.dat.read_predictor import read_predictor
from conversion.validation import recorded
from conversion.validation.reference import DlibError
from conversion.validation.validate import NoReferenceError, ValueMismatchError
from model_store import manifest
from model_store.models import FIVE_POINTS, LANDMARK_POINTS, SIXTY_EIGHT_POINTS
from model_store.store import WeightStore
from service.recognition.faces.landmarks import Predictor
from service.recognition.geometry import Rectangle
from service.recognition.synthetic_pictures import scenes

_read = cache(read_predictor)


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Reads each weight file once for all tests, which takes a second for five points and several for 68."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landmarks, "read_predictor", _read)
        yield


@pytest.fixture(scope="module")
def weights(store: Path) -> Path:
    return WeightStore(store).path(FIVE_POINTS)


def test_validates_on_photos_too(
    tmp_path: Path, weights: Path, package_pictures: list[NDArray[np.uint8]]
) -> None:
    written = landmarks.export(tmp_path, FIVE_POINTS, weights, package_pictures[:2])
    assert manifest.load(tmp_path, FIVE_POINTS, written.source_sha256) == written
    assert (written.validation.inputs, written.validation.photos) == (len(scenes()) + 2, 2)
    assert written.validation.largest_difference == {"points": 0.0}
    assert Predictor.load(manifest.graph_path(tmp_path, FIVE_POINTS)).initial.shape == (5, 2)


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize("name", [FIVE_POINTS, pytest.param(SIXTY_EIGHT_POINTS, marks=pytest.mark.slow)])
def test_without_dlib_validates_against_recorded_values(name: str, tmp_path: Path, store: Path) -> None:
    written = landmarks.export(tmp_path, name, WeightStore(store).path(name))
    assert written.validation.reference == "recorded values of dlib 20.0.1"
    assert manifest.load(tmp_path, name) == written


def _leaf_shifted(predictor: Predictor) -> Predictor:
    leaves = predictor.leaves.copy()
    leaves[14, 499] += 0.02
    return replace(predictor, leaves=leaves)


def _pixels_swapped(predictor: Predictor) -> Predictor:
    return replace(predictor, first=predictor.second, second=predictor.first)


def _offsets_rounded(predictor: Predictor) -> Predictor:
    return replace(predictor, offsets=np.round(predictor.offsets, 2))


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize("fault", [_leaf_shifted, _pixels_swapped, _offsets_rounded])
def test_fault_writes_no_file(fault: Callable[[Predictor], Predictor], tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ValueMismatchError, match=r"points: .* away from dlib, 0 is allowed"):
        landmarks.export(tmp_path, FIVE_POINTS, weights, build=fault)
    assert list(tmp_path.glob("arrays/*")) == []


@pytest.mark.usefixtures("without_dlib")
def test_without_dlib_photos_and_other_weights_have_no_reference(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(NoReferenceError, match="photos can be compared with dlib only"):
        landmarks.export(tmp_path, FIVE_POINTS, weights, scenes()[:1])
    predictor = _read(weights.read_bytes(), 5)
    with pytest.raises(NoReferenceError, match="no values are recorded for these weights"):
        landmarks.validate_landmarks(FIVE_POINTS, predictor, weights, landmarks.WeightFile("0" * 64))


def test_rejects_weights_of_another_predictor(tmp_path: Path, store: Path, weights: Path) -> None:
    with pytest.raises(DatError, match=r"expected a shape_predictor of 68 points, found .* of 5 points"):
        landmarks.export(tmp_path, SIXTY_EIGHT_POINTS, weights)


def test_weights_that_dlib_rejects_are_not_converted(tmp_path: Path, weights: Path) -> None:
    copy = tmp_path / "weights.dat"
    copy.write_bytes(weights.read_bytes())

    def replaced(predictor: Predictor) -> Predictor:
        copy.write_bytes(b"replaced")
        return predictor

    with pytest.raises(DlibError, match="dlib failed with status 1"):
        landmarks.export(tmp_path, FIVE_POINTS, copy, build=replaced)
    assert list(tmp_path.glob("arrays/*")) == []


def test_rectangles_lie_inside_and_outside_and_are_reproducible() -> None:
    pictures = scenes()
    faces = landmarks.rectangles(pictures)
    assert faces == landmarks.rectangles(pictures)
    inside = [
        Rectangle(0, 0, picture.shape[1] - 1, picture.shape[0] - 1).contains(rectangle)
        for picture, of_picture in zip(pictures, faces, strict=True)
        for rectangle in of_picture
    ]
    assert len(inside) == landmarks.RECTANGLES * len(pictures)
    assert 10 < sum(inside) < len(inside) - 10


def test_recorded_points_belong_to_the_synthetic_pictures(store: Path) -> None:
    for name, points in LANDMARK_POINTS.items():
        source = landmarks.WeightFile(WeightStore(store).sha256(name))
        values = recorded.load(name, source, scenes()).values["points"]
        assert values.shape == (landmarks.RECTANGLES * len(scenes()), points, 2)
