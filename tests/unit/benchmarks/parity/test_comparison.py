"""The comparison detects every kind of difference."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.harness.faces import AnsweredFace, matched, of_answer
from benchmarks.harness.results import Result
from benchmarks.parity.comparison import Comparison
from service.recognition.geometry import Rectangle

TRUTH = AnsweredFace(Rectangle(10, 20, 110, 120), 1.05, ((30, 40), (50, 60)), (0.25,) * 128)
OTHER = replace(TRUTH, rectangle=Rectangle(200, 20, 300, 120))


def _answer() -> dict[str, Any]:
    face = {
        "detection_confidence": 1.05,
        **TRUTH.rectangle._asdict(),
        "landmarks": [{"x": 30, "y": 40}, {"x": 50, "y": 60}],
        "descriptor": [0.25] * 128,
    }
    return {"filename": "photo", "faces-count": 1, "faces": [face]}


def test_equal_answers_have_no_problems() -> None:
    comparison = Comparison()
    comparison.add("photo", of_answer(_answer()), [TRUTH])
    assert comparison.problems == []
    assert (comparison.photos, comparison.faces, comparison.crossings) == (1, 1, 0)


def _in_face(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer["faces"][0].update({key: value})


@pytest.mark.parametrize(
    "plant",
    [
        _in_face("left", 11),
        _in_face("detection_confidence", 1.05002),
        _in_face("detection_confidence", math.nan),
        _in_face("landmarks", [{"x": 30, "y": 41}, {"x": 50, "y": 60}]),
        _in_face("descriptor", [0.25] * 127 + [0.25002]),
        _in_face("descriptor", [0.25] * 127 + [math.nan]),
        _in_face("descriptor", [0.25] * 127),
        lambda answer: answer["faces"].clear() or answer.update({"faces-count": 0}),
        lambda answer: answer["faces"].append(answer["faces"][0]) or answer.update({"faces-count": 2}),
    ],
)
def test_a_planted_difference_is_a_problem(plant: Callable[[dict[str, Any]], object]) -> None:
    answer = _answer()
    plant(answer)
    comparison = Comparison()
    comparison.add("photo", of_answer(answer), [TRUTH])
    assert len(comparison.problems) == 1


def test_rejects_an_answer_with_a_wrong_face_count() -> None:
    with pytest.raises(KeyError, match="faces-count is 0"):
        of_answer({**_answer(), "faces-count": 0})


def test_a_different_order_is_a_problem_and_faces_still_match() -> None:
    comparison = Comparison()
    comparison.add("photo", [OTHER, TRUTH], [TRUTH, OTHER])
    assert [str(problem) for problem in comparison.problems] == ["photo: faces in a different order"]
    assert [(match.reference, match.candidate) for match in comparison.matches] == [
        (TRUTH, TRUTH),
        (OTHER, OTHER),
    ]


def test_matches_faces_by_overlap_and_only_once() -> None:
    near = replace(TRUTH, rectangle=Rectangle(12, 20, 112, 120))
    assert matched([TRUTH, near, OTHER], [near, TRUTH]) == [(TRUTH, TRUTH), (near, near)]


def test_counts_a_confidence_that_crosses_the_threshold() -> None:
    comparison = Comparison()
    comparison.add("photo", [replace(TRUTH, confidence=0.990001)], [replace(TRUTH, confidence=0.989999)])
    assert comparison.problems == []  # within the tolerance, yet visible in the app
    assert comparison.crossings == 1


def test_a_different_answer_from_compute_is_a_problem() -> None:
    comparison = Comparison()
    comparison.add_computed("photo", TRUTH, TRUTH)
    assert comparison.problems == []
    comparison.add_computed("photo", TRUTH, replace(TRUTH, descriptor=(0.25,) * 127 + (0.2502,)))
    comparison.add_computed("photo", TRUTH, replace(TRUTH, landmarks=((30, 40), (50, 61))))
    assert len(comparison.problems) == 2


def test_counts_an_unanswered_photo_and_its_faces() -> None:
    comparison = Comparison()
    comparison.fail("photo", "/detect: 503", [TRUTH])
    result = Result(made="", plan="quick")
    comparison.note(result, 4)
    figures = {figure.key.name: figure.median for figure in result.figures}
    assert figures["parity/model 4/failed"] == 1
    assert figures["parity/model 4/faces"] == 1
