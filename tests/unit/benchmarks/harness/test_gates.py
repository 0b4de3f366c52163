"""Verdicts of gates: red beyond a bound, and never green with too little data."""

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


def test_an_interrupted_run_is_never_green() -> None:
    result = _result()
    result.complete = False
    assert result.status == "red"


@pytest.mark.parametrize(("faces", "pairs"), [(199, 50), (200, 49), (0, 0)])
def test_accuracy_abstains_with_few_faces_or_pairs(faces: int, pairs: int) -> None:
    result = _result(faces, pairs)
    assert _statuses(result, "accurate") == {"abstains"}
    assert all(
        "too few to judge" in verdict.says for verdict in result.verdicts if verdict.question == "accurate"
    )


def test_a_single_face_is_in_the_singular() -> None:
    says = [verdict.says for verdict in _result(1, 50).verdicts if verdict.question == "accurate"]
    assert set(says) == {"too few to judge: 1 face (200 needed)"}


def test_accuracy_reports_a_breach_on_few_faces() -> None:
    result = _result(199, 50, lost=1.0)
    assert _statuses(result, "accurate") == {"abstains"}
    assert any("beyond the bound" in verdict.says for verdict in result.verdicts)


def test_accuracy_is_judged_with_enough_faces() -> None:
    assert _statuses(_result(200, 50), "accurate") == {"green"}
    assert "red" in _statuses(_result(200, 50, lost=1.0), "accurate")


def test_abstains_without_a_face() -> None:
    result = _result(0)
    assert result.status == "abstains"
    assert banner(result).headline == "Not judged"


def test_an_extra_face_is_red_without_reference_faces() -> None:
    assert _result(0, 0, 0.0, 0.0, **{"faces differing": 1.0}).status == "red"


def test_a_model_without_faces_does_not_affect_another() -> None:
    result = _result(0)
    empty = [figure.key for figure in result.figures if figure.key.model == 4]
    for key in empty:
        result.note(key.model_copy(update={"model": 1}), 5.0 if key.metric in ("photos", "faces") else 0.0)
    assert together(verdicts(result, ["parity"])) == "green"
    result.note(Key(section="parity", model=1, metric="faces differing"), 50.0, 50.0)
    assert together(verdicts(result, ["parity"])) == "red"


def test_a_photo_missing_from_the_baseline_is_red() -> None:
    assert _result(unknown=1.0).status == "red"


@pytest.mark.parametrize(
    ("rounds", "status", "says"),
    [
        ((1.5, 1.5, 1.5), "green", "times as fast: 1.5 ± 0×; required: at least 1"),
        ((0.5, 0.5, 0.5), "red", "times as fast: 0.5 ± 0× (CASE); required: at least 1"),
        (
            (10.0, 13.0, 19.0),
            "abstains",
            "the spread reaches the bound: times as fast: 13 ± 23× (CASE); required: at least 1",
        ),
        (
            (0.5, 0.9, 0.4),
            "abstains",
            "the spread reaches the bound: times as fast: 0.5 ± 1.3× (CASE); required: at least 1",
        ),
        (
            (9.0,),
            "abstains",
            "too few rounds: times as fast: 9× (one round, no spread) (CASE); required: at least 1",
        ),
    ],
)
@pytest.mark.parametrize("metric", ["times as fast", "times less memory"])
def test_a_speed_gate_decides_only_if_the_spread_is_on_one_side_of_its_bound(
    metric: str, rounds: tuple[float, ...], status: Status, says: str
) -> None:
    result = Result(made="", plan="quick", complete=True)
    side = "service against upstream"
    key = Key(section="throughput", model=4, megapixels=1.2, callers=1, side=side, metric=metric)
    result.note(key, *rounds)
    (verdict,) = (one for one in verdicts(result, ["throughput"]) if one.says != "not measured")
    case = "model 4, 1.2 MP, 1 caller: service against upstream"
    assert verdict.status == status
    assert verdict.says == says.replace("CASE", case).replace("times as fast", metric)


def test_one_lost_photo_of_three_rounds_is_red() -> None:
    result = Result(made="", plan="quick", complete=True)
    key = Key(section="callers", model=4, megapixels=0.3, callers=8, side="service", metric="failed")
    result.note(key, 0, 1, 0)
    (verdict,) = (one for one in verdicts(result, ["callers"]) if one.gate == "no photo lost to many callers")
    assert verdict.status == "red"
    assert verdict.says == "failed photos: 1 (model 4, 0.3 MP, 8 callers: service); allowed: at most 0"


def test_a_green_gate_states_its_extreme_figure_and_its_bound() -> None:
    result = _result()
    for metric, value in (("confidence difference", 3e-6), ("faces differing", 0.0)):
        result.note(Key(section="parity", model=1, metric=metric), value)
        result.note(Key(section="parity", model=1, metric="faces"), 9)
    says = {verdict.gate: verdict.says for verdict in verdicts(result, ["parity"])}
    assert (
        says["confidences"]
        == "confidence difference: 3e-6, the highest of 2 cases (model 1); allowed: at most 1e-5"
    )
    assert says["same faces and boxes"] == "faces differing: 0 in all 2 cases; allowed: at most 0"
    assert (
        says["every photo known to the baseline"] == "photos without baseline answers: 0; allowed: at most 0"
    )


def test_the_bounds_equal_the_tolerances_of_problems() -> None:
    """The same bounds are in gates.toml, for the verdict, and in code, for the list of problems."""
    bounds = {
        gate.figures.rsplit("/", 1)[1]: gate.at_most for gate in rules().gate if "model" in gate.figures
    }
    assert bounds["confidence difference"] == CONFIDENCE_TOLERANCE
    assert bounds["largest difference"] == DESCRIPTOR_TOLERANCE
    assert bounds["compute difference"] == SAME_DESCRIPTOR


def test_abstains_without_figures() -> None:
    empty = Result(made="", plan="quick", complete=True)
    found = verdicts(empty, ["parity", "accuracy", "throughput"])
    assert {verdict.status for verdict in found} == {"abstains"}
    assert {verdict.says for verdict in found} == {
        "not measured",
        "not measured; needs at least 1 photo",
        "not measured; needs at least 1 face",
        "not measured; needs at least 200 faces and 50 labelled pairs",
    }


def test_a_share_is_relative_to_its_companion_metric() -> None:
    gate = Gate(
        name="", question="same", figures="parity/chips/faces differing", at_most=0.005, share_of="faces"
    )
    result = Result(made="", plan="quick")
    result.note(Key(section="parity", stage="chips", metric="faces"), 800)
    result.note(Key(section="parity", stage="chips", metric="faces differing"), 2)
    verdict = gate.verdict(result)
    assert verdict is not None
    assert verdict.status == "green"
    assert verdict.says == "faces differing: 0.0025 of faces; allowed: at most 0.005 of faces"
    result.note(Key(section="parity", stage="chips", metric="faces differing"), 6, 6)
    verdict = gate.verdict(result)
    assert verdict is not None
    assert verdict.status == "red"
    assert verdict.says == "faces differing: 0.0075 of faces (chips); allowed: at most 0.005 of faces"


def test_the_highest_of_several_shares_is_stated() -> None:
    gate = Gate(
        name="", question="same", figures="accuracy/*/pairs across *", at_most=5e-6, share_of="all pairs"
    )
    result = Result(made="", plan="quick")
    for model, pairs in ((1, 2_000_000), (4, 1_000_000)):
        about = Key(section="accuracy", model=model, metric="all pairs")
        result.note(about, pairs)
        result.note(about.model_copy(update={"metric": "pairs across 0.4"}), 3)
    verdict = gate.verdict(result)
    assert verdict is not None
    assert verdict.says == (
        "pairs on different sides of distance 0.4: 3e-6 of all pairs, the highest of 2 cases (model 4); "
        "allowed: at most 5e-6 of all pairs"
    )


def test_rejects_a_gate_without_exactly_one_bound() -> None:
    with pytest.raises(ValidationError, match="one of at_most and at_least"):
        Gate(name="", question="same", figures="*")


def test_every_gate_refers_to_existing_metrics() -> None:
    for rule in [*rules().gate, *rules().compare]:
        metric = rule.figures.rsplit("/", 1)[1]
        assert metric in METRICS or metric.endswith("*"), rule.figures
