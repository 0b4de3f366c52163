"""Summary on the terminal."""

import pytest

from benchmarks.harness import facts
from benchmarks.harness.results import Key, Result
from benchmarks.processes.machine_load import MachineLoad
from benchmarks.report.page import page
from benchmarks.report.summary import summary
from tests.synthetic_result import rich

LOAD: facts.Facts = {
    "processors": 2,
    "load average before (1, 5, 15 min)": "0.04, 0.10, 0.20",
    "busy with other processes, before": 0.01,
    "withheld by the hypervisor, before": 0.0,
    "busy with other processes, during": 0.09,
    "withheld by the hypervisor, during": 0.0,
}


def _result(**load: float) -> Result:
    result = rich()
    result.plan = "quick"
    names = {
        "before": "busy with other processes, before",
        "during": "busy with other processes, during",
        "stolen": "withheld by the hypervisor, during",
    }
    result.facts["load"] = LOAD | {names[name]: value for name, value in load.items()}
    return result


def test_states_photos_verdicts_speed_time_and_load() -> None:
    result = _result()
    result.facts["run"] = {
        "baseline": "dlib",
        "largest photo, MP": 0.22,
        "time limit, s": 120.0,
        "left out for lack of time": "roofline",
    }
    text = summary(result)
    for line in (
        "Compared with dlib: 100 of 100 photos, at most 0.22 megapixels each (larger ones scaled down), "
        "models 1, 2, 3, 4.",
        "green: within the bound. red: beyond it. abstains: no verdict, for the reason in its line.",
        "Measured in 2460 s (limit: 120 s with the report).",
        "Left out for lack of time, at least in part: roofline.",
        "Load: of 2 processors, other processes kept 0.01 busy before the run and 0.09 during it. "
        "Load average before: 0.04, 0.10, 0.20 (1, 5, 15 min).",
    ):
        assert line in text.splitlines()
    assert text.splitlines()[-1].startswith("Safe to switch. ")
    assert "WARNING" not in text


def test_the_load_of_a_result_has_these_names() -> None:
    """The names are part of result.json: those of earlier results have to remain readable."""
    load = facts.load("0.04, 0.10, 0.20", MachineLoad(0.01, 0.0), MachineLoad(0.09, 0.0))
    assert {**load, "processors": 2} == LOAD


@pytest.mark.parametrize("load", [{"before": 0.11}, {"during": 0.5}, {"during": 0.06, "stolen": 0.05}])
def test_warns_if_the_machine_was_not_idle(load: dict[str, float]) -> None:
    result = _result(**load)
    assert "WARNING: The machine was not idle" in summary(result)
    assert "The machine was not idle" in page(result)
    assert "The machine was not idle" not in page(_result())


def test_a_ratio_has_a_spread_or_one_round() -> None:
    result = Result(made="2026-03-01", plan="quick", complete=True)
    key = Key(
        section="throughput", metric="times as fast", model=4, megapixels=0.3, side="library against dlib"
    )
    result.note(key, 14.0)
    assert "model 4, 0.3 MP: library against dlib  14× (one round, no spread) as fast" in summary(result)
    result.note(key, 14.2, 15.0)
    assert "model 4, 0.3 MP: library against dlib  14.2 ± 2.6× as fast" in summary(result)
    result.note(key.model_copy(update={"metric": "photos per second", "side": "library"}), 7.5)
    assert "14.2 ± 2.6× as fast  7.5 (one round, no spread) photos a second" in summary(result)


def test_a_result_without_load_or_figures_has_a_summary() -> None:
    text = summary(Result(made="2026-03-01", plan="quick"))
    assert text.startswith("Measured in 0 s.")
    assert "Incomplete: do not switch." in text
