"""Comparison of two results: speed by ratio and noise, parity by its gates alone."""

from pathlib import Path

import pytest

from benchmarks import commands
from benchmarks.harness.results import Figure, Key, NoResult, Result, load
from benchmarks.regression import rows, status, verdicts

RATE = Key(
    section="throughput", model=4, megapixels=1.2, callers=8, side="service", metric="photos per second"
)
TIMES = RATE.model_copy(update={"side": "service against upstream", "metric": "times as fast"})
PARITY = {"photos": 5.0, "faces": 9.0, "failed": 0.0, "confidence difference": 0.0, "across 0.99": 0.0}


def _result(*rates: float, differing: float = 0.0, processor: str = "one", parity: bool = True) -> Result:
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick", complete=True)
    result.facts["machine"] = {"processor": processor}
    result.note(RATE, *rates)
    result.note(TIMES, *rates)
    if parity:
        for metric, value in {**PARITY, "faces differing": differing, "compute difference": 0.0}.items():
            result.note(Key(section="parity", model=4, metric=metric), value)
        result.note(Key(section="parity", model=4, stage="landmarks", metric="faces differing"), 0)
        result.note(Key(section="parity", model=4, stage="descriptors", metric="largest difference"), 0)
        result.note(Key(section="parity", metric="unknown"), 0)
    return result


def test_noise_is_students_prediction_interval() -> None:
    assert Figure(key=RATE, values=[1.0]).noise == 0.0
    # Student's t for 4 degrees of freedom, 2.776; the deviation of these five is 0.1581; sqrt(1 + 1/5).
    figure = Figure(key=RATE, values=[0.8, 0.9, 1.0, 1.1, 1.2])
    assert figure.uncertainty == pytest.approx(2.776 * 0.15811 / 5**0.5, rel=1e-3)
    assert figure.noise == pytest.approx(2.776 * 0.15811 * 1.0954, rel=1e-3)


@pytest.mark.parametrize(
    ("after", "change"),
    [([3.0, 3.01, 2.99], "within noise"), ([2.0, 2.01, 1.99], "worse"), ([4.0, 4.01, 3.99], "better")],
)
def test_reports_a_change_beyond_the_noise(after: list[float], change: str) -> None:
    by_name = {row.name: row for row in rows(_result(3.0, 3.02, 2.98), _result(*after))}
    assert by_name[RATE.name].change == change
    assert by_name[RATE.name].ratio == pytest.approx(after[0] / 3.0)


def test_slower_beyond_the_noise_is_red_and_within_it_is_not() -> None:
    assert status(verdicts(_result(3.0, 3.01, 2.99), _result(2.0, 2.01, 1.99))) == "red"
    judged = verdicts(_result(3.0, 3.01, 2.99), _result(2.4, 3.4, 2.6))
    assert status(judged) == "green"
    (times,) = (one for one in judged if one.gate.startswith("throughput/*/times as fast"))
    assert times.status == "abstains"
    assert times.says == f"the spread reaches the bound: {TIMES.name} 0.87 ± 0.44"


def test_one_round_has_a_ratio_without_a_spread_and_no_verdict() -> None:
    before, after = _result(3.0, 3.01, 2.99), _result(1.0)
    row = next(row for row in rows(before, after) if row.name == TIMES.name)
    assert (row.ratio_text, row.change) == ("0.33 (one round, no spread)", "not judged")
    judged = [one for one in verdicts(before, after) if "before" in one.gate and "throughput" in one.gate]
    assert {one.status for one in judged} == {"abstains"}
    (times,) = (one for one in judged if "times as fast" in one.gate)
    assert times.says == f"too few rounds: {TIMES.name} 0.33 (one round, no spread)"


def test_exact_differences_have_no_ratio() -> None:
    before, after = _result(3.0, differing=1.0), _result(3.0, differing=2.0)
    row = next(row for row in rows(before, after) if row.name.endswith("4/faces differing"))
    assert (row.ratio_text, row.change) == ("", "worse")


def test_rates_of_different_machines_are_not_compared() -> None:
    before, after = _result(3.0, 3.0, 3.0), _result(1.0, 1.0, 1.0, processor="another")
    by_gate = {verdict.gate: verdict for verdict in verdicts(before, after)}
    (rate,) = (one for gate, one in by_gate.items() if gate.startswith("throughput/*/photos per second"))
    (times,) = (one for gate, one in by_gate.items() if gate.startswith("throughput/*/times as fast"))
    assert rate.status == "abstains"
    assert times.status == "red"


def test_parity_is_absolute() -> None:
    assert status(verdicts(_result(3.0), _result(3.0, differing=1.0))) == "red"
    assert status(verdicts(_result(3.0, differing=1.0), _result(3.0))) == "green"


def test_abstains_without_parity() -> None:
    assert status(verdicts(_result(3.0), _result(3.0, parity=False))) == "abstains"


def test_a_photo_lost_under_load_is_red_however_fast_it_was() -> None:
    after = _result(3.0)
    after.note(RATE.model_copy(update={"metric": "failed"}), 1.0)
    assert status(verdicts(_result(3.0), after)) == "red"


def test_an_interrupted_second_run_is_red() -> None:
    after = _result(3.0)
    after.complete = False
    assert status(verdicts(_result(3.0), after)) == "red"


def test_the_command_prints_a_table_and_exits_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rate in (("a.json", 3.0), ("b.json", 1.0)):
        _result(rate, rate, rate).save(tmp_path / name)
    paths = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert commands.compare(paths) == 1
    assert commands.compare(paths[::-1]) == 0
    assert TIMES.name in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"format": 2, "made": "", "plan": ""}'])
def test_rejects_a_file_that_is_not_a_result(content: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(NoResult, match="not a result of these benchmarks"):
        load(path)
    assert commands.compare([str(path), str(path)]) == 2


def test_a_result_round_trips_through_a_file(tmp_path: Path) -> None:
    result = _result(3.0, 3.1)
    result.save(tmp_path / "result.json")
    assert load(tmp_path / "result.json") == result
