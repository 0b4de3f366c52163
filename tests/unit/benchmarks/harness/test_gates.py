"""From figures to a colour: red where a bound is broken, never green where nothing, or too little, was measured."""

import pytest
from pydantic import ValidationError

from benchmarks.harness.gates import Gate, rules, verdicts
from benchmarks.harness.results import METRICS, Key, Result, Status, together
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE, DESCRIPTOR_TOLERANCE, SAME_DESCRIPTOR
from benchmarks.report.verdict import banner

SAME = {
    "failed": 0.0,
    "faces differing": 0.0,
    "confidence difference": 1e-6,
    "across 0.99": 0.0,
    "compute difference": 0.0,
}


def _result(
    faces: int = 10, pairs: int = 0, lost: float = 0.0, unknown: float = 0.0, **differences: float
) -> Result:
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick", complete=True)
    for metric, value in {"photos": 5.0, "faces": float(faces), **SAME, **differences}.items():
        result.note(Key(section="parity", model=4, metric=metric), value)
    result.note(Key(section="parity", metric="unknown"), unknown)
    result.note(Key(section="parity", model=4, stage="landmarks", metric="faces differing"), 0)
    result.note(Key(section="parity", model=4, stage="descriptors", metric="largest difference"), 1e-7)
    accuracy = {"faces": faces, "pairs": pairs, "all pairs": faces * (faces - 1) / 2}
    for metric, value in accuracy.items():
        result.note(Key(section="accuracy", model=4, metric=metric), value)
    for metric in ("pairs across 0.4", "accuracy lost at 0.4", "pairs grouped otherwise"):
        result.note(Key(section="accuracy", model=4, metric=metric), lost)
    result.verdicts = verdicts(result, ["parity", "accuracy"])
    return result


def _statuses(result: Result, question: str) -> set[Status]:
    return {verdict.status for verdict in result.verdicts if verdict.question == question}


def test_equal_answers_are_green() -> None:
    result = _result()
    assert _statuses(result, "same") == {"green"}
    assert result.status == "green"


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("failed", 1.0),
        ("faces differing", 1.0),
        ("confidence difference", 1.1e-5),
        ("across 0.99", 1.0),
        ("compute difference", 2e-6),
    ],
)
def test_any_difference_is_red(metric: str, value: float) -> None:
    result = _result(10, 0, 0.0, 0.0, **{metric: value})
    assert [verdict.status for verdict in result.verdicts].count("red") == 1
    assert result.status == "red"


def test_a_run_that_was_interrupted_is_never_green() -> None:
    result = _result()
    result.complete = False
    assert result.status == "red"


@pytest.mark.parametrize(("faces", "pairs"), [(199, 50), (200, 49), (0, 0)])
def test_of_few_faces_or_pairs_the_accuracy_abstains(faces: int, pairs: int) -> None:
    result = _result(faces, pairs)
    assert _statuses(result, "accurate") == {"abstains"}
    assert all(
        "too few to judge" in verdict.says for verdict in result.verdicts if verdict.question == "accurate"
    )


def test_of_few_faces_what_is_wrong_is_still_told() -> None:
    result = _result(199, 50, lost=1.0)
    assert _statuses(result, "accurate") == {"abstains"}
    assert any("beyond the bound" in verdict.says for verdict in result.verdicts)


def test_of_enough_faces_the_accuracy_has_a_say() -> None:
    assert _statuses(_result(200, 50), "accurate") == {"green"}
    assert "red" in _statuses(_result(200, 50, lost=1.0), "accurate")


def test_without_a_face_nothing_is_judged() -> None:
    result = _result(0)
    assert result.status == "abstains"
    assert banner(result).says == "Not judged"


def test_a_face_too_many_is_red_where_there_should_be_none() -> None:
    assert _result(0, 0, 0.0, 0.0, **{"faces differing": 1.0}).status == "red"


def test_one_model_without_faces_neither_hides_nor_judges_another() -> None:
    result = _result(0)
    empty = [figure.key for figure in result.figures if figure.key.model == 4]
    for key in empty:
        result.note(key.model_copy(update={"model": 1}), 5.0 if key.metric in ("photos", "faces") else 0.0)
    assert together(verdicts(result, ["parity"])) == "green"
    result.note(Key(section="parity", model=1, metric="faces differing"), 50.0, 50.0)
    assert together(verdicts(result, ["parity"])) == "red"


def test_a_photo_that_the_baseline_does_not_know_is_red() -> None:
    assert _result(unknown=1.0).status == "red"


@pytest.mark.parametrize(
    ("rounds", "status"),
    [((1.5, 1.5, 1.5), "green"), ((0.5, 0.5, 0.5), "red"), ((0.2, 1.1, 2.0), "abstains")],
)
def test_a_ratio_within_its_noise_is_no_verdict(rounds: tuple[float, ...], status: Status) -> None:
    result = Result(made="", plan="quick", complete=True)
    key = Key(
        section="throughput", model=4, megapixels=1.2, callers=1, side="library against dlib", metric="failed"
    )
    result.note(key.model_copy(update={"metric": "times as fast"}), *rounds)
    (verdict,) = (one for one in verdicts(result, ["throughput"]) if one.gate.startswith("faster than"))
    assert verdict.status == status


def test_the_bounds_are_those_by_which_problems_are_told() -> None:
    """They stand where a person changes them, and where a line is printed."""
    bounds = {
        gate.figures.rsplit("/", 1)[1]: gate.at_most for gate in rules().gate if "model" in gate.figures
    }
    assert bounds["confidence difference"] == CONFIDENCE_TOLERANCE
    assert bounds["largest difference"] == DESCRIPTOR_TOLERANCE
    assert bounds["compute difference"] == SAME_DESCRIPTOR


def test_what_was_not_measured_is_not_green() -> None:
    empty = Result(made="", plan="quick", complete=True)
    said = verdicts(empty, ["parity", "accuracy", "throughput"])
    assert {verdict.status for verdict in said} == {"abstains"}
    assert {verdict.says for verdict in said} == {"not measured"}


def test_a_share_counts_against_what_stands_beside_it() -> None:
    gate = Gate(
        name="", question="same", figures="parity/chips/faces differing", at_most=0.005, share_of="faces"
    )
    result = Result(made="", plan="quick")
    result.note(Key(section="parity", stage="chips", metric="faces"), 800)
    result.note(Key(section="parity", stage="chips", metric="faces differing"), 4)
    assert gate.verdict(result).status == "green"  # type: ignore[union-attr]
    result.note(Key(section="parity", stage="chips", metric="faces differing"), 6, 6)
    assert gate.verdict(result).status == "red"  # type: ignore[union-attr]


def test_a_gate_has_one_bound() -> None:
    with pytest.raises(ValidationError, match="one of at_most and at_least"):
        Gate(name="", question="same", figures="*")


def test_every_gate_speaks_of_figures_that_exist() -> None:
    for rule in [*rules().gate, *rules().compare]:
        metric = rule.figures.rsplit("/", 1)[1]
        assert metric in METRICS or metric.endswith("*"), rule.figures
