"""Accuracy figures on descriptors with known distances."""

import numpy as np
import pytest

from benchmarks.harness.corpus import Pair
from benchmarks.harness.faces import AnsweredFace
from benchmarks.harness.results import Result
from benchmarks.parity import accuracy
from benchmarks.parity.comparison import Match
from service.recognition.geometry import Rectangle


def _face(place: float, *, side: int = 100, confidence: float = 1.05) -> AnsweredFace:
    """Face with its descriptor at a position on a line: distances are differences of positions."""
    descriptor = (place, *(0.0,) * 127)
    return AnsweredFace(Rectangle(0, 0, side, side), confidence, (), descriptor)


def _figures(matches: list[Match], pairs: list[Pair]) -> dict[str, float]:
    result = Result(made="", plan="quick")
    accuracy.note(result, 4, matches, pairs)
    return {figure.key.name.removeprefix("accuracy/model 4/"): figure.median for figure in result.figures}


def _matches(reference: list[float], candidate: list[float]) -> list[Match]:
    places = zip(reference, candidate, strict=True)
    return [Match(f"{number}.jpg", _face(one), _face(other)) for number, (one, other) in enumerate(places)]


def test_equal_descriptors_lose_no_accuracy() -> None:
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


def test_crossings_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.random.default_rng(0).random((2, 50, 128)) / 9
    whole = accuracy.crossings(*places)
    monkeypatch.setattr(accuracy, "ROWS", 7)
    assert accuracy.crossings(*places) == whole
    assert sum(whole) > 0


def test_labels_refer_to_the_widest_face_of_a_photo() -> None:
    small, large = _face(5.0, side=50), _face(0.0, side=100)
    matches = [Match("0.jpg", small, small), Match("0.jpg", large, large), Match("1.jpg", large, large)]
    figures = _figures(matches, [Pair("0.jpg", "1.jpg", same=True), Pair("0.jpg", "absent.jpg", same=True)])
    assert figures["pairs"] == 1
    assert figures["candidate/accuracy at 0.4"] == 1


def test_small_and_low_confidence_faces_are_not_clustered() -> None:
    faces = [_face(0.0), _face(0.0, side=39), _face(0.0, confidence=0.98)]
    matches = [Match(f"{number}.jpg", face, face) for number, face in enumerate(faces)]
    assert _figures(matches, [])["candidate/groups"] == 1


def test_compares_clusterings_by_pairs_and_not_by_labels() -> None:
    assert accuracy.grouped_otherwise([0, 0, 1], [7, 7, 3]) == 0
    assert accuracy.grouped_otherwise([0, 0, 0], [0, 0, 1]) == 2


def test_without_a_common_face_only_their_number_is_recorded() -> None:
    assert _figures([], []) == {"faces": 0}
