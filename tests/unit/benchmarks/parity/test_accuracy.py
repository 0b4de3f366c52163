"""What differences mean to people, on descriptors whose distances are known."""

import numpy as np
import pytest

from benchmarks.harness.corpus import Pair
from benchmarks.harness.faces import AnsweredFace
from benchmarks.harness.results import Result
from benchmarks.parity import accuracy
from benchmarks.parity.comparison import Match
from service.recognition.geometry import Rectangle


def _face(place: float, *, side: int = 100, confidence: float = 1.05) -> AnsweredFace:
    """A face whose descriptor lies at a place on a line: distances are differences of places."""
    descriptor = (place, *(0.0,) * 127)
    return AnsweredFace(Rectangle(0, 0, side, side), confidence, (), descriptor)


def _figures(matches: list[Match], pairs: list[Pair]) -> dict[str, float]:
    result = Result(made="", plan="quick")
    accuracy.note(result, 4, matches, pairs)
    return {figure.key.name.removeprefix("accuracy/model 4/"): figure.median for figure in result.figures}


def _matches(reference: list[float], candidate: list[float]) -> list[Match]:
    places = zip(reference, candidate, strict=True)
    return [Match(f"{number}.jpg", _face(one), _face(other)) for number, (one, other) in enumerate(places)]


def test_equal_descriptors_change_nothing() -> None:
    figures = _figures(_matches([0.0, 0.3, 0.9], [0.0, 0.3, 0.9]), [Pair("0.jpg", "1.jpg", same=True)])
    assert figures["all pairs"] == 3
    assert (figures["pairs across 0.4"], figures["pairs across 0.6"]) == (0, 0)
    assert figures["accuracy lost at 0.4"] == 0
    assert figures["pairs grouped otherwise"] == 0
    assert figures["candidate/groups"] == figures["reference/groups"] == 2


def test_pairs_that_cross_a_threshold_are_counted() -> None:
    """The distances are 0.39, 1.0 and 0.61; with the candidate 0.41, 1.0 and 0.59."""
    figures = _figures(_matches([0.0, 0.39, 1.0], [0.0, 0.41, 1.0]), [Pair("0.jpg", "1.jpg", same=True)])
    assert (figures["pairs across 0.4"], figures["pairs across 0.6"]) == (1, 1)
    assert (figures["reference/accuracy at 0.4"], figures["candidate/accuracy at 0.4"]) == (1, 0)
    assert figures["accuracy lost at 0.4"] == 1
    assert figures["pairs grouped otherwise"] == 1


def test_crossings_are_counted_in_parts_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.random.default_rng(0).random((2, 50, 128)) / 9
    whole = accuracy.crossings(*places)
    monkeypatch.setattr(accuracy, "ROWS", 7)
    assert accuracy.crossings(*places) == whole
    assert sum(whole) > 0


def test_the_widest_face_of_a_photo_counts_for_its_label() -> None:
    small, large = _face(5.0, side=50), _face(0.0, side=100)
    matches = [Match("0.jpg", small, small), Match("0.jpg", large, large), Match("1.jpg", large, large)]
    figures = _figures(matches, [Pair("0.jpg", "1.jpg", same=True), Pair("0.jpg", "absent.jpg", same=True)])
    assert figures["pairs"] == 1
    assert figures["candidate/accuracy at 0.4"] == 1


def test_small_and_unsure_faces_are_not_grouped() -> None:
    faces = [_face(0.0), _face(0.0, side=39), _face(0.0, confidence=0.98)]
    matches = [Match(f"{number}.jpg", face, face) for number, face in enumerate(faces)]
    assert _figures(matches, [])["candidate/groups"] == 1


def test_groupings_are_compared_by_pairs_and_not_by_their_numbers() -> None:
    assert accuracy.grouped_otherwise([0, 0, 1], [7, 7, 3]) == 0
    assert accuracy.grouped_otherwise([0, 0, 0], [0, 0, 1]) == 2


def test_no_face_in_common_is_said_and_nothing_more() -> None:
    assert _figures([], []) == {"faces": 0}
