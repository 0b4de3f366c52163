"""Landmarks against dlib itself: the same integers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.geometry import Rectangle
from tests.unit.service.recognition import dlib_reference

NAMES = (FIVE_POINTS, pytest.param(SIXTY_EIGHT_POINTS, marks=pytest.mark.slow))
Pictures = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def landmarks(name: str, store: Path) -> Landmarks:
    return Landmarks(Predictor.load(manifest.graph_path(store, name)))


@pytest.fixture(scope="module")
def weights(name: str, store: Path) -> Path:
    return store / "weights" / f"{name}.dat"


def test_landmarks_of_jittered_rectangles(landmarks: Landmarks, weights: Path, pictures: Pictures) -> None:
    state = np.random.default_rng(3)
    for picture in pictures.values():
        rectangles = dlib_reference.jittered(state, picture, 140)
        expected = dlib_reference.points(weights, picture, rectangles)
        np.testing.assert_array_equal(landmarks(picture, rectangles), expected)


@pytest.mark.parametrize(
    "rectangle",
    [
        Rectangle(5, 5, 5, 5),
        Rectangle(10, 10, 12, 11),
        Rectangle(-900, -900, -800, -800),
        Rectangle(-5000, -5000, 5000, 5000),
        Rectangle(90, 90, 10, 10),
        Rectangle(-(2**24), -(2**24), 2**24, 2**24),
        Rectangle(2**24 - 64, 0, 2**24, 64),
        Rectangle(0, 0, 2**24 + 1, 2**24 + 1),
    ],
)
def test_landmarks_of_degenerate_rectangles(
    rectangle: Rectangle, landmarks: Landmarks, weights: Path, pictures: Pictures
) -> None:
    for picture in pictures.values():
        expected = dlib_reference.points(weights, picture, [rectangle])
        np.testing.assert_array_equal(landmarks(picture, [rectangle]), expected)


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (7, 5), (120, 3)])
def test_landmarks_in_tiny_images(shape: tuple[int, int], landmarks: Landmarks, weights: Path) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rectangles = [Rectangle(0, 0, shape[1] - 1, shape[0] - 1), Rectangle(-20, -20, 40, 40)]
    expected = dlib_reference.points(weights, picture, rectangles)
    np.testing.assert_array_equal(landmarks(picture, rectangles), expected)


def test_brightness_is_the_floored_mean_of_the_colours(landmarks: Landmarks, weights: Path) -> None:
    """Colours with small sums, for which another grey or another rounding gives another integer."""
    picture = np.random.default_rng(5).integers(0, 9, (200, 220, 3), dtype=np.uint8)
    rectangles = dlib_reference.jittered(np.random.default_rng(6), picture, 60)
    expected = dlib_reference.points(weights, picture, rectangles)
    np.testing.assert_array_equal(landmarks(picture, rectangles), expected)


def test_no_faces_give_no_landmarks(landmarks: Landmarks, name: str) -> None:
    points = 5 if name == FIVE_POINTS else 68
    assert landmarks(np.zeros((9, 9, 3), np.uint8), []).shape == (0, points, 2)


def test_many_threads_get_the_results_of_one(landmarks: Landmarks, pictures: Pictures) -> None:
    picture = pictures["astronaut.png"]
    rectangles = dlib_reference.jittered(np.random.default_rng(7), picture, 80)
    alone = landmarks(picture, rectangles)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda rectangle: landmarks(picture, [rectangle])[0], rectangles))
    np.testing.assert_array_equal(np.array(together), alone)


def test_accepts_a_read_only_image(landmarks: Landmarks, pictures: Pictures) -> None:
    picture = pictures["astronaut.png"].copy()
    rectangle = Rectangle(175, 76, 265, 166)
    expected = landmarks(picture, [rectangle])
    picture.flags.writeable = False
    np.testing.assert_array_equal(landmarks(picture, [rectangle]), expected)


def test_arrays_survive_saving_and_loading(landmarks: Landmarks, tmp_path: Path) -> None:
    predictor = landmarks._predictor
    np.save(tmp_path / "arrays.npy", predictor.record())
    loaded = Predictor.load(tmp_path / "arrays.npy")
    for field, array in vars(predictor).items():
        again = getattr(loaded, field)
        assert (again.dtype, again.flags.aligned, again.flags.c_contiguous) == (array.dtype, True, True)
        np.testing.assert_array_equal(again, array)
