"""An array file that is not dlib's predictor is never written; what is written loads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conversion import landmarks
from conversion.dat.primitives import DatError
from conversion.dat.read_predictor import read_predictor
from conversion.validation import recorded
from conversion.validation.pictures import scenes
from conversion.validation.reference import DlibError
from conversion.validation.validate import NoReferenceError, ValueMismatchError
from model_store import manifest
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS
from model_store.store import WeightStore
from service.recognition.faces.landmarks import Predictor
from service.recognition.geometry import Rectangle


@pytest.fixture(scope="module")
def weights(store: Path) -> Path:
    return WeightStore(store).path(FIVE_POINTS)


def test_it_is_proven_on_photos_too(tmp_path: Path, weights: Path, pictures: list[NDArray[np.uint8]]) -> None:
    written = landmarks.export(tmp_path, FIVE_POINTS, weights, pictures[:2])
    assert manifest.load(tmp_path, FIVE_POINTS, written.source_sha256) == written
    assert (written.proof.inputs, written.proof.photos) == (len(scenes()) + 2, 2)
    assert written.proof.largest_difference == {"points": 0.0}
    assert Predictor.load(manifest.graph_path(tmp_path, FIVE_POINTS)).initial.shape == (5, 2)


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize("name", [FIVE_POINTS, SIXTY_EIGHT_POINTS])
def test_without_dlib_recorded_vectors_stand_in(name: str, tmp_path: Path, store: Path) -> None:
    written = landmarks.export(tmp_path, name, WeightStore(store).path(name))
    assert written.proof.reference == "recorded vectors of dlib 20.0.1"
    assert manifest.load(tmp_path, name) == written


def _one_leaf_off(predictor: Predictor) -> Predictor:
    leaves = predictor.leaves.copy()
    leaves[14, 499] += 0.02
    return replace(predictor, leaves=leaves)


def _sides_swapped(predictor: Predictor) -> Predictor:
    return replace(predictor, first=predictor.second, second=predictor.first)


def _nearest_pixel(predictor: Predictor) -> Predictor:
    return replace(predictor, offsets=np.round(predictor.offsets, 2))


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize("fault", [_one_leaf_off, _sides_swapped, _nearest_pixel])
def test_a_fault_leaves_nothing(
    fault: Callable[[Predictor], Predictor], tmp_path: Path, weights: Path
) -> None:
    with pytest.raises(ValueMismatchError, match=r"points: .* away from dlib, 0 is allowed"):
        landmarks.export(tmp_path, FIVE_POINTS, weights, build=fault)
    assert list(tmp_path.glob("arrays/*")) == []


@pytest.mark.usefixtures("without_dlib")
def test_without_dlib_photos_and_other_weights_cannot_be_proven(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(NoReferenceError, match="photos can be compared with dlib only"):
        landmarks.export(tmp_path, FIVE_POINTS, weights, scenes()[:1])
    predictor = read_predictor(weights.read_bytes(), 5)
    with pytest.raises(NoReferenceError, match="no vectors are recorded for these weights"):
        landmarks.prove(FIVE_POINTS, predictor, weights, landmarks.WeightFile("0" * 64))


def test_weights_of_another_predictor_are_refused(tmp_path: Path, store: Path, weights: Path) -> None:
    with pytest.raises(DatError, match=r"a shape_predictor of 5 points, where .* of 68 points is needed"):
        landmarks.export(tmp_path, SIXTY_EIGHT_POINTS, weights)


def test_weights_that_dlib_does_not_load_are_not_converted(tmp_path: Path, weights: Path) -> None:
    copy = tmp_path / "weights.dat"
    copy.write_bytes(weights.read_bytes())

    def replaced(predictor: Predictor) -> Predictor:
        copy.write_bytes(b"gone")
        return predictor

    with pytest.raises(DlibError, match="dlib failed with status 1"):
        landmarks.export(tmp_path, FIVE_POINTS, copy, build=replaced)
    assert list(tmp_path.glob("arrays/*")) == []


def test_supposed_faces_lie_inside_and_outside_and_are_the_same_at_every_call() -> None:
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


def test_the_drawn_pictures_are_those_that_points_were_recorded_of(store: Path) -> None:
    for name, points in landmarks.POINTS.items():
        source = landmarks.WeightFile(WeightStore(store).sha256(name))
        values = recorded.load(name, source, scenes()).values["points"]
        assert values.shape == (landmarks.RECTANGLES * len(scenes()), points, 2)
