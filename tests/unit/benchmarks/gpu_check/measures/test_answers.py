"""Comparison of a provider's answers with the CPU's and dlib's: planted differences are found."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.measures.answers import Expected, Faces
from benchmarks.harness.faces import AnsweredFace
from benchmarks.parity.decoded_photos import Photo
from service.recognition.geometry import Rectangle

FACE = AnsweredFace(Rectangle(10, 20, 90, 100), 1.05, ((30, 40), (60, 40)), (0.1,) * 128)
PHOTOS = [Photo(name, np.zeros((120, 120, 3), np.uint8)) for name in ("a", "b")]
ANSWERS: list[Faces] = [[FACE], []]


def _expected() -> Expected:
    return Expected(PHOTOS, {4: list(ANSWERS)}, {4: list(ANSWERS)})


def test_equal_answers_hold_against_both() -> None:
    compared = _expected().compared(4, "float32", ANSWERS, is_cpu=False)
    assert [one.against for one in compared] == ["cpu", "dlib"]
    assert all(map(verdicts.held, compared))
    assert {(one.photos, one.faces) for one in compared} == {(2, 1)}


def test_the_cpu_in_float32_is_not_compared_with_itself() -> None:
    assert [one.against for one in _expected().compared(4, "float32", ANSWERS, is_cpu=True)] == ["dlib"]
    assert len(_expected().compared(4, "mixed", ANSWERS, is_cpu=True)) == 2


@pytest.mark.parametrize(
    "planted",
    [
        [[], []],
        [[FACE], [FACE]],
        [[FACE], "/detect: 503 busy"],
        [[replace(FACE, rectangle=Rectangle(11, 20, 90, 100))], []],
        [[replace(FACE, confidence=1.0501)], []],
        [[replace(FACE, landmarks=((30, 40), (60, 41)))], []],
        [[replace(FACE, descriptor=(*FACE.descriptor[1:], 0.11))], []],
        [[replace(FACE, descriptor=(*FACE.descriptor[1:], float("nan")))], []],
        [[replace(FACE, descriptor=(0.0,) * 128)], []],
    ],
    ids=[
        "missing",
        "extra",
        "refused",
        "box",
        "confidence",
        "landmarks",
        "descriptor by 1e-2",
        "NaN",
        "zeros",
    ],
)
def test_a_planted_difference_is_found(planted: list[Faces]) -> None:
    compared = _expected().compared(4, "float32", planted, is_cpu=False)
    assert len(compared) == 2
    assert not any(map(verdicts.held, compared))


def test_a_photo_that_the_cpu_did_not_answer_holds_nothing() -> None:
    expected = Expected(PHOTOS, {4: [[FACE], "/detect: 500"]})
    (compared,) = expected.compared(4, "float32", ANSWERS, is_cpu=False)
    assert compared.failed == 1
