"""Plans of load scenarios."""

import pytest

from benchmarks.harness.steps import Need
from benchmarks.throughput import part, scenarios
from benchmarks.throughput.scenarios import FULL, QUICK, LoadPlan, Scenario

PLANS = pytest.mark.parametrize("plan", [QUICK, FULL], ids=["quick", "full"])


@PLANS
def test_no_figure_belongs_to_two_scenarios(plan: LoadPlan) -> None:
    keys = [
        (scenario.section, side, scenario.model, scenario.megapixels, scenario.callers, scenario.faces)
        for scenario in plan.scenarios
        for side in scenario.sides
    ]
    assert len(keys) == len(set(keys))


@PLANS
def test_every_side_has_three_rounds(plan: LoadPlan) -> None:
    assert all(scenario.rounds >= 3 for scenario in plan.scenarios)


def test_the_quick_plan_is_under_a_minute_and_the_full_one_a_quarter_of_an_hour() -> None:
    assert part.seconds(QUICK) < 50
    assert 500 < part.seconds(FULL) < 1000


def test_the_scenarios_of_the_gates_take_half_a_minute_of_the_quick_plan() -> None:
    must = [scenario for scenario in QUICK.scenarios if scenario.need is Need.VERDICT]
    assert {(scenario.section, scenario.sides) for scenario in must} == {
        ("throughput", scenarios.AGAINST_DLIB),
        ("throughput", scenarios.AGAINST_UPSTREAM),
        ("callers", ("service",)),
    }
    assert part.seconds(LoadPlan(tuple(must), QUICK.trial_seconds)) < 35
    assert all(scenario.need is Need.MUST and not scenario.more_rounds for scenario in FULL.scenarios)


@PLANS
def test_compares_a_remote_service_wherever_upstream_is_compared(plan: LoadPlan) -> None:
    more = scenarios.against_remote(plan, 1).scenarios[len(plan.scenarios) :]
    assert {scenario.sides for scenario in more} == {("service", "remote")}
    assert {scenario.model for scenario in more} == {1}
    sizes = [
        scenario.megapixels for scenario in plan.scenarios if scenario.sides == scenarios.AGAINST_UPSTREAM
    ]
    assert [scenario.megapixels for scenario in more] == sizes


def test_a_trial_has_all_photos_equally_often_and_enough_calls() -> None:
    scenario = Scenario("callers", ("service",), 0.3, photos=3, calls=20)
    assert scenarios.calls(scenario, "service", 0.0) == 21
    assert scenarios.calls(scenario, "service", 10.0) % 3 == 0
    assert scenarios.seconds(scenario, "service", scenarios.calls(scenario, "service", 10.0)) >= 10


def test_trials_of_seconds_have_no_warm_up() -> None:
    scenario = Scenario("throughput", scenarios.AGAINST_DLIB, 4.0)
    assert scenarios.warm_up_calls(scenario, "library") == 1
    assert scenarios.warm_up_calls(scenario, "dlib") == 0
