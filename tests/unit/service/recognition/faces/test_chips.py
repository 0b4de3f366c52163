"""Chips against dlib itself: the same bytes."""

from pathlib import Path

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import DLIB_RESNET, FIVE_POINTS, SIXTY_EIGHT_POINTS
from service.recognition.faces import chips
from tests.unit.service.recognition import dlib_reference

Pictures = dict[str, NDArray[np.uint8]]


def _noise(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


IMAGES = {
    "noise": _noise(700, 900),
    "white": np.full((600, 800, 3), 255, np.uint8),
    "light gray": np.full((1000, 1200, 3), (253, 251, 247), np.uint8),
    "small": _noise(40, 30),
}


def _faces(
    state: np.random.Generator, points: int, image: NDArray[np.uint8], count: int
) -> NDArray[np.int64]:
    """Landmarks of faces inside and outside the image, from 0.03 to 8 chips large.

    Rotated by any angle or exactly upright, some of them distorted.
    """
    used, mean_face = chips._MEAN_FACES[points]
    faces = state.uniform(0, 150, (count, points, 2))
    faces[:, list(used)] = mean_face
    angles = state.uniform(-np.pi, np.pi, count) * (state.random(count) < 0.7)
    scales = np.exp(state.uniform(np.log(0.03), np.log(8), count))
    rotations = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(
        2, 0, 1
    )
    placed = scales[:, None, None] * (faces - 75) @ rotations.transpose(0, 2, 1)
    placed += state.uniform(-0.2, 1.2, (count, 1, 2)) * image.shape[1::-1]
    placed += state.normal(0, 3, placed.shape) * scales[:, None, None] * (state.random((count, 1, 1)) < 0.5)
    landmarks: NDArray[np.int64] = np.floor(placed + 0.5).astype(np.int64)
    return landmarks


@pytest.mark.not_quick
@pytest.mark.parametrize("points", [5, 68])
@pytest.mark.parametrize("name", IMAGES)
def test_chips_of_faces_of_any_size_angle_and_place(name: str, points: int) -> None:
    """Plain images show the last bit of every coordinate: (1 - t) 255 + t 255 may be 254."""
    image = IMAGES[name]
    faces = _faces(np.random.default_rng(points), points, image, 300)
    np.testing.assert_array_equal(chips.cut(image, faces), dlib_reference.chips(image, faces))


@pytest.mark.parametrize(
    "landmarks",
    [
        [(960, 141), (895, 145), (737, 141), (802, 146), (849, 266)],
        [(476, 114), (444, 113), (311, 107), (357, 121), (391, 203)],
        [(29, 5), (27, 5), (21, 5), (23, 5), (25, 9)],
        [(4, 20), (3, 21), (1, 20), (2, 21), (3, 22)],
        [(639, 5), (637, 5), (634, 3), (635, 4), (635, 7)],
    ],
)
def test_white_pixels_round_as_in_dlib(landmarks: list[tuple[int, int]]) -> None:
    """Of a thousand faces on white, these depend on dlib's rounding of the inverted corners."""
    faces = np.array([landmarks])
    cut = chips.cut(IMAGES["white"], faces)
    assert {254, 255} <= set(np.unique(cut).tolist())
    np.testing.assert_array_equal(cut, dlib_reference.chips(IMAGES["white"], faces))


@pytest.mark.parametrize("weights", [FIVE_POINTS, SIXTY_EIGHT_POINTS])
def test_chips_of_jittered_faces(weights: str, store: Path, pictures: Pictures) -> None:
    state = np.random.default_rng(8)
    for picture in pictures.values():
        rectangles = dlib_reference.jittered(state, picture, 140)
        faces = dlib_reference.points(store / "weights" / f"{weights}.dat", picture, rectangles)
        np.testing.assert_array_equal(chips.cut(picture, faces), dlib_reference.chips(picture, faces))


@pytest.mark.parametrize(
    "landmarks",
    [
        [(5, 5)] * 5,
        [(5, 5)] * 4 + [(6, 5)],
        [(10, 10), (20, 20), (30, 30), (40, 40), (50, 50)],
        [(10, 10), (20, 10), (30, 10), (40, 10), (50, 10)],
        [(10, 10), (10, 20), (10, 30), (10, 40), (10, 50)],
        [(10, 20), (20, 20), (50, 20), (40, 20), (30, 50)],
        [(50, 50), (40, 50), (10, 50), (20, 50), (30, 20)],
        [(-(10**6), 0), (0, 0), (10**6, 0), (0, 5), (0, 10**6)],
        [(2**24, 2**24), (0, 2**24), (-(2**24), 2**24), (0, 2**24), (0, -(2**24))],
    ],
)
def test_chips_of_degenerate_landmarks(landmarks: list[tuple[int, int]]) -> None:
    faces = np.array([landmarks])
    for image in IMAGES.values():
        np.testing.assert_array_equal(chips.cut(image, faces), dlib_reference.chips(image, faces))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (8, 900), (9, 9), (900, 2)])
def test_chips_of_images_too_small_to_halve(shape: tuple[int, int]) -> None:
    image = _noise(*shape)
    faces = _faces(np.random.default_rng(9), 5, image, 100)
    np.testing.assert_array_equal(chips.cut(image, faces), dlib_reference.chips(image, faces))


def test_descriptor_of_a_chip_is_dlibs_descriptor_from_landmarks(store: Path, pictures: Pictures) -> None:
    network = dlib.face_recognition_model_v1(str(store / "weights" / f"{DLIB_RESNET}.dat"))
    picture = pictures["astronaut.png"]
    rectangles = dlib_reference.jittered(np.random.default_rng(10), picture, 4)
    faces = dlib_reference.points(store / "weights" / f"{FIVE_POINTS}.dat", picture, rectangles)
    for face, chip in zip(faces, chips.cut(picture, faces), strict=True):
        expected = network.compute_face_descriptor(picture, dlib_reference.shape(face))
        assert list(network.compute_face_descriptor(chip)) == list(expected)


def test_no_faces_give_no_chips() -> None:
    assert chips.cut(IMAGES["small"], np.empty((0, 5, 2), np.int64)).shape == (0, 150, 150, 3)


def test_rejects_other_numbers_of_landmarks() -> None:
    with pytest.raises(ValueError, match="5 or 68 landmarks, not by 6"):
        chips.cut(IMAGES["small"], np.zeros((1, 6, 2), np.int64))
