"""Time limit of a run: which steps are left out, and which are not."""

import math
from collections.abc import Sequence
from functools import partial

import pytest

from benchmarks.harness import steps
from benchmarks.harness.steps import Need, Outcome, Part, Step


class Clock:
    """Clock that only steps advance: on a busy machine, a real one leaves out other steps than expected."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(steps, "time", made)
    return made


Planned = tuple[str, float, Need]
"""Label, seconds and need of a step."""


def _run(
    clock: Clock, plan: Sequence[Sequence[Planned]], limit: float, pace: float = 1.0
) -> tuple[list[str], Outcome]:
    """Labels of the executed steps, and the outcome; a step takes `pace` times its estimate."""
    done: list[str] = []

    def work(label: str, seconds: float) -> None:
        clock.now += pace * seconds
        done.append(label)

    parts = []
    for part in plan:
        planned = [Step(label, seconds, partial(work, label, seconds), need) for label, seconds, need in part]
        estimate = sum(step.seconds for step in planned if step.need < Need.MAY)
        parts.append(Part("opening", estimate, lambda _, planned=planned: planned))  # type: ignore[misc]
    return done, steps.run(parts, limit)


MUST, VERDICT, SHOULD, MAY = Need
PLAN = (
    (("one", 1, MUST), ("two", 1, MAY), ("three", 1, SHOULD), ("four", 1, MUST)),
    (("five", 1, SHOULD), ("six", 1, MUST)),
)


@pytest.mark.parametrize("limit", [math.inf, 20.0])
def test_with_enough_time_every_step_runs(limit: float, clock: Clock) -> None:
    done, outcome = _run(clock, PLAN, limit)
    assert done == ["one", "two", "three", "four", "five", "six"]
    assert outcome.left_out == []


def test_without_time_the_steps_that_must_run_do(clock: Clock) -> None:
    done, outcome = _run(clock, PLAN, 0.0)
    assert done == ["one", "four", "six"]
    assert outcome.left_out == ["three", "five"]
    assert outcome.complete


def test_time_is_kept_for_later_steps_that_are_needed_more(clock: Clock) -> None:
    plan = [("first", 1, MUST), ("further round", 3, MAY), ("wanted", 3, SHOULD), ("last", 3, VERDICT)]
    done, outcome = _run(clock, [plan], 9.0)
    assert done == ["first", "wanted", "last"]
    assert outcome.left_out == []


def test_a_slow_machine_leaves_out_more_and_keeps_the_limit(clock: Clock) -> None:
    plan = [(f"{number}", 1.0, SHOULD) for number in range(100)]
    done, outcome = _run(clock, [plan], 120.0, pace=10.0)
    assert 90 <= clock.now <= 120
    assert len(done) + len(outcome.left_out) == 100


def test_a_part_uses_the_time_that_the_part_before_left(clock: Clock) -> None:
    plan = [[("estimated too high", 5.0, MUST)], [("long", 5.0, SHOULD), ("longer", 1.0, SHOULD)]]
    done, _ = _run(clock, plan, 9.0, pace=0.5)
    assert done == ["estimated too high", "long", "longer"]
