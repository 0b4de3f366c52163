"""The gate itself: it sees every kind of difference, and counts what upstream's overlap would change."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.parity import Parity, changed_by_upstream_rule
from benchmarks.reference import Reference, ReferenceFace
from service.recognition.geometry import Rectangle

TRUTH = ReferenceFace(Rectangle(10, 20, 110, 120), 1.05, ((30, 40), (50, 60)), (0.25,) * 128)


def _answer() -> dict[str, Any]:
    face = {
        "detection_confidence": 1.05,
        **TRUTH.rectangle._asdict(),
        "landmarks": [{"x": 30, "y": 40}, {"x": 50, "y": 60}],
        "descriptor": [0.25] * 128,
    }
    return {"filename": "photo", "faces-count": 1, "faces": [face]}


def test_equal_answers_are_equal() -> None:
    parity = Parity()
    parity.add("photo", _answer(), [TRUTH])
    assert parity.problems == []
    assert (parity.photos, parity.faces, parity.crossings) == (1, 1, 0)


def _in_face(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer["faces"][0].update({key: value})


@pytest.mark.parametrize(
    "plant",
    [
        _in_face("left", 11),
        _in_face("detection_confidence", 1.05002),
        _in_face("landmarks", [{"x": 30, "y": 41}, {"x": 50, "y": 60}]),
        _in_face("descriptor", [0.25] * 127 + [0.25002]),
        lambda answer: answer["faces"].clear(),
        lambda answer: answer["faces"].append(answer["faces"][0]),
        lambda answer: answer.update({"faces-count": 0}),
    ],
)
def test_a_planted_difference_is_a_problem(plant: Callable[[dict[str, Any]], object]) -> None:
    answer = _answer()
    plant(answer)
    parity = Parity()
    parity.add("photo", answer, [TRUTH])
    assert len(parity.problems) == 1


def test_a_face_on_the_other_side_of_the_confidence_threshold_is_counted() -> None:
    truth = ReferenceFace(TRUTH.rectangle, 0.989999, TRUTH.landmarks, TRUTH.descriptor)
    answer = _answer()
    answer["faces"][0]["detection_confidence"] = 0.990001
    parity = Parity()
    parity.add("photo", answer, [truth])
    assert parity.problems == []  # within the tolerance, yet a person would see it
    assert parity.crossings == 1


def test_another_descriptor_from_compute_is_a_problem() -> None:
    parity = Parity()
    face = _answer()["faces"][0]
    parity.add_computed("photo", face, {"face": face})
    assert parity.problems == []
    parity.add_computed("photo", face, {"face": {**face, "descriptor": [0.25] * 127 + [0.2502]}})
    assert len(parity.problems) == 1


@pytest.mark.parametrize(
    ("hog", "changed"),
    [
        (Rectangle(10, 20, 110, 120), 0),  # both confirm
        (Rectangle(300, 300, 400, 400), 0),  # neither
        (Rectangle(80, 90, 210, 220), 1),  # a corner shared: upstream takes it for a confirmation
    ],
)
def test_verdicts_that_upstreams_overlap_changes(hog: Rectangle, changed: int) -> None:
    confirmed = hog == TRUTH.rectangle
    judged = ReferenceFace(
        TRUTH.rectangle, 1.05 if confirmed else 1.05 * 0.8, TRUTH.landmarks, TRUTH.descriptor
    )
    assert changed_by_upstream_rule(Reference({1: (TRUTH,), 4: (judged,)}, (hog,))) == changed
