"""Plan: what fits into the minutes, and the order of the rounds."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures.answers import Expected
from benchmarks.gpu_check.measures.provider_part import ProviderPart, Subject
from benchmarks.gpu_check.schema import ProviderRecord
from benchmarks.harness import steps
from benchmarks.harness.steps import Need, Part, Step


def _part(name: str) -> Part:
    subject = Subject(Expected([]), Path("models"), {}, [b""] * plan.SHAPES, plan.LOADS)
    return ProviderPart(ProviderRecord(name=name), subject).part()


def _labels(name: str, *needs: Need) -> list[str]:
    with ExitStack() as stack:
        return [step.label for step in _part(name).open(stack) if step.need in needs]


def test_sizes_and_callers_of_a_device() -> None:
    loads = {(load.megapixels, load.callers) for load in plan.LOADS.of_device}
    assert loads == {(size, callers) for size in (0.3, 1.2, 4.0) for callers in (1, 8, 64)}


@pytest.mark.parametrize("load", [*plan.LOADS.of_device, *plan.LOADS.in_mixed, *plan.TINY.of_device], ids=str)
def test_each_caller_of_a_trial_sends_as_many_photos(load: plan.Load) -> None:
    assert load.photos % load.callers == 0
    assert load.photos * load.megapixels >= load.trial
    assert load.photos >= load.callers


def test_every_load_is_measured_once_before_one_is_twice() -> None:
    rounds = list(plan.rounds(plan.LOADS.of_device))
    assert [round_.load for round_ in rounds[: len(plan.LOADS.of_device)]] == list(plan.LOADS.of_device)
    numbers = [round_.number for round_ in rounds]
    assert numbers == sorted(numbers)


def test_further_rounds_use_time_that_is_left() -> None:
    assert {round_.need for round_ in plan.rounds(plan.LOADS.of_device) if round_.number >= 2} == {Need.MAY}


def test_all_models_of_a_device_are_compared_in_any_case() -> None:
    assert _labels("webgpu", Need.MUST) == [f"webgpu, model {model}" for model in (4, 1, 2, 3)]


def test_both_precisions_are_compared() -> None:
    assert "webgpu, model 4 in mixed precision" in _labels("webgpu", Need.VERDICT)
    assert "cpu, model 4 in mixed precision" in _labels("cpu", Need.MUST)


def test_a_check_of_one_device_fits_into_its_minutes_on_two_cores() -> None:
    """All that is planned, without further rounds; with a start of a service for each of four providers."""
    starts = 4 * plan.compared_seconds(0, on_cpu=False)
    planned = _part("cpu").seconds + _part("webgpu").seconds + plan.dlib_seconds(plan.PHOTOS, 2)
    assert 240 < starts + planned < 8 * 60


def test_a_slow_device_loses_rounds_and_not_its_verdict() -> None:
    """The device part's own steps, a hundred times faster than estimated, in too little time."""
    done: list[str] = []
    real = _part("webgpu")

    def opened(stack: ExitStack) -> list[Step]:
        def run(step: Step) -> None:
            done.append(step.label)
            time.sleep(step.seconds / 100)

        return [
            Step(step.label, step.seconds, lambda step=step: run(step), step.need)  # type: ignore[misc]
            for step in real.open(stack)
        ]

    outcome = steps.run([Part(real.label, real.seconds, opened)], limit=real.seconds / 100 / 3)
    assert {f"webgpu, model {model}" for model in plan.MODELS} <= set(done)
    assert outcome.left_out
    assert any("64 callers" in label for label in outcome.left_out)
    assert not any("4 MP, 64 callers" in label for label in done)


def test_a_fault_ends_a_part_and_is_noted_without_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("first line\n/home/jane/face-model/service/x.py: no graph")

    monkeypatch.setattr(ProviderPart, "_compare", broken)
    record = ProviderRecord(name="webgpu")
    subject = Subject(Expected([]), Path("models"), {}, [], plan.LOADS)
    outcome = steps.run([ProviderPart(record, subject).part()])
    assert record.failure == "model 4: …/x.py: no graph"
    assert not outcome.complete
