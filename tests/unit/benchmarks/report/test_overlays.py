"""Crops of discrepancies, and the drawings on them."""

import base64

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.harness.faces import AnsweredFace
from benchmarks.parity.comparison import Problem
from benchmarks.parity.discrepancies import Discrepancy, cut_out
from benchmarks.report.overlays import SIDE, shown
from service.recognition.geometry import Rectangle


def face(left: int, top: int, right: int, bottom: int) -> AnsweredFace:
    middle = ((left + right) // 2, (top + bottom) // 2)
    return AnsweredFace(Rectangle(left, top, right, bottom), 1.0, (middle,), (0.0,) * 128)


def pixels(case: Discrepancy, side: int) -> NDArray[np.uint8]:
    """Drawing of one side, RGB."""
    picture = shown([case])[0].sides[side].picture
    assert picture
    data = np.frombuffer(base64.b64decode(picture.split(",")[1]), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[:, :, ::-1], np.uint8)


def test_draws_the_frame_at_the_face() -> None:
    photo = np.zeros((400, 600, 3), np.uint8)
    case = cut_out(Problem("a.jpg", "", face(200, 100, 299, 199)), photo)
    assert case.corner == (141, 41)  # 0.6 of 99 pixels around
    assert case.image is not None
    assert case.image.shape == (218, 218, 3)
    drawn = pixels(case, 0)
    assert drawn.shape == (SIDE, SIDE, 3)
    bright = np.argwhere(drawn.max(axis=2) > 80)
    scale = SIDE / 218
    assert bright.min(axis=0) == pytest.approx([59 * scale, 59 * scale], abs=4)
    assert bright.max(axis=0) == pytest.approx([158 * scale, 158 * scale], abs=4)
    assert pixels(case, 1).max() < 20  # the side that found no face


@pytest.mark.parametrize("edges", [(-50, -60, 40, 30), (560, 380, 700, 520), (900, 900, 950, 950)])
def test_shows_a_face_at_or_beyond_the_border(edges: tuple[int, int, int, int]) -> None:
    photo = np.full((400, 600, 3), 128, np.uint8)
    case = cut_out(Problem("a.jpg", "", face(*edges), face(*edges)), photo)
    assert case.image is not None
    assert max(pixels(case, 1).shape) == SIDE


def test_a_crop_keeps_no_reference_to_the_photo() -> None:
    photo = np.zeros((400, 600, 3), np.uint8)
    image = cut_out(Problem("a.jpg", "", face(10, 10, 50, 50)), photo).image
    assert image is not None
    assert image.base is None
