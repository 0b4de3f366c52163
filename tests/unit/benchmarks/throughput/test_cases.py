"""The plans themselves."""

import pytest

from benchmarks.throughput import cases, section
from benchmarks.throughput.cases import FULL, QUICK, Case, Plan

PLANS = pytest.mark.parametrize("plan", [QUICK, FULL], ids=["quick", "full"])


@PLANS
def test_no_figure_is_noted_by_two_cases(plan: Plan) -> None:
    told = [
        (case.section, side, case.model, case.megapixels, case.callers, case.faces)
        for case in plan.cases
        for side in case.sides
    ]
    assert len(told) == len(set(told))


@PLANS
def test_every_side_has_three_rounds(plan: Plan) -> None:
    assert all(case.rounds >= 3 for case in plan.cases)


def test_the_quick_plan_is_under_a_minute_and_the_full_one_a_quarter_of_an_hour() -> None:
    assert section.seconds(QUICK) < 50
    assert 500 < section.seconds(FULL) < 1000


@PLANS
def test_a_remote_service_is_compared_wherever_upstreams_way_is(plan: Plan) -> None:
    more = cases.against_remote(plan, 1).cases[len(plan.cases) :]
    assert {case.sides for case in more} == {("service", "remote")}
    assert {case.model for case in more} == {1}
    sizes = [case.megapixels for case in plan.cases if case.sides == cases.AGAINST_UPSTREAM]
    assert [case.megapixels for case in more] == sizes


def test_a_turn_has_all_photos_equally_often_and_enough_of_them() -> None:
    case = Case("callers", ("service",), 0.3, photos=3, calls=20)
    assert cases.calls(case, "service", 0.0) == 21
    assert cases.calls(case, "service", 10.0) % 3 == 0
    assert cases.seconds(case, "service", cases.calls(case, "service", 10.0)) >= 10


def test_what_takes_seconds_is_not_warmed_up() -> None:
    case = Case("throughput", cases.AGAINST_DLIB, 4.0)
    assert cases.warm_up_calls(case, "library") == 1
    assert cases.warm_up_calls(case, "dlib") == 0
