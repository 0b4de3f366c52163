"""Figures of a round: each side's trial, its stages, and the ratios of two sides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.harness.closed_loop import Trial
from benchmarks.harness.results import Key, Result
from benchmarks.throughput.scenarios import Scenario


@dataclass(frozen=True)
class MeasuredTrial:
    """Trial of a side, with its peak memory in MiB; None for a remote service."""

    trial: Trial
    peak: float | None

    @property
    def cpu_seconds(self) -> float | None:
        """CPU seconds per photo."""
        spent = self.trial.cpu_seconds
        return None if spent is None else spent / len(self.trial.responses)


Measure = Callable[[MeasuredTrial], float | None]
"""Value of a trial; None if not available."""
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "photos per second": lambda taken: taken.trial.photos_per_second,
        "median latency": lambda taken: taken.trial.latency(50),
        "95 % latency": lambda taken: taken.trial.latency(95),
        "99 % latency": lambda taken: taken.trial.latency(99),
        "seconds": lambda taken: taken.trial.seconds / len(taken.trial.responses),
        "CPU seconds per photo": lambda taken: taken.cpu_seconds,
        "peak memory": lambda taken: taken.peak,
        "failed": lambda taken: len(taken.trial.failures),
    }
)
"""Metrics of `results.METRICS`."""
_LOAD = (
    *("photos per second", "median latency", "95 % latency", "99 % latency"),
    *("CPU seconds per photo", "peak memory"),
)
_GROWTH = ("seconds", "CPU seconds per photo", "peak memory")
NOTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"throughput": _LOAD, "callers": _LOAD, "area": _GROWTH, "faces": _GROWTH}
)
"""Metrics of each side by section."""
OVER_HTTP = ("service", "remote")
"""Sides whose calls can fail one by one; on the other sides a failure ends the trial."""
WITH_CALLERS = ("throughput", "callers")
"""Sections whose figures depend on the number of callers."""


def note(result: Result, scenario: Scenario, round_: Mapping[str, MeasuredTrial]) -> None:
    """Add the figures of a round, given by side name. Ratios need trials without failures."""
    about = _about(scenario)
    if scenario.faces is not None:
        first = next(iter(round_.values())).trial
        # The detected faces determine the cost, not the drawn ones.
        about = about.model_copy(update={"faces": first.faces // len(first.responses)})
    for side, taken in round_.items():
        failed = ("failed",) if side in OVER_HTTP else ()
        for metric in (*NOTED[scenario.section], *failed):
            if (value := MEASURES[metric](taken)) is not None:
                result.note(about.model_copy(update={"metric": metric, "side": side}), value)
    if scenario.section == "throughput" and scenario.callers == 1:
        _note_stages(result, scenario, {side: taken.trial.stages for side, taken in round_.items()})
    if len(round_) == 2 and not any(taken.trial.failures for taken in round_.values()):
        ours, theirs = round_.values()
        both = about.model_copy(update={"side": _against(round_)})
        faster = ours.trial.photos_per_second / theirs.trial.photos_per_second
        result.note(both.model_copy(update={"metric": "times as fast"}), faster)
        if ours.peak is not None and theirs.peak is not None:
            result.note(both.model_copy(update={"metric": "times less memory"}), theirs.peak / ours.peak)


def note_failure(result: Result, scenario: Scenario, side: str, photos: int) -> None:
    """Add a failed trial: all its photos count as failed."""
    result.note(_about(scenario).model_copy(update={"metric": "failed", "side": side}), photos)


def _about(scenario: Scenario) -> Key:
    """Common key of a scenario's figures; metric and side are added."""
    return Key(
        section=scenario.section,
        metric="",
        model=scenario.model,
        megapixels=scenario.megapixels,
        callers=scenario.callers if scenario.section in WITH_CALLERS else None,
        faces=scenario.faces,
    )


def _note_stages(result: Result, scenario: Scenario, round_: Mapping[str, Mapping[str, float]]) -> None:
    """Seconds per photo of each stage, and the ratios of stages that both sides have."""
    about = Key(section="stages", metric="seconds", model=scenario.model, megapixels=scenario.megapixels)
    for side, stages in round_.items():
        for stage, seconds in stages.items():
            result.note(about.model_copy(update={"stage": stage, "side": side}), seconds)
    if len(round_) == 2:
        ours, theirs = round_.values()
        for stage in ours:
            if stage in theirs:
                key = {"metric": "times as fast", "stage": stage, "side": _against(round_)}
                result.note(about.model_copy(update=key), theirs[stage] / ours[stage])


def _against(round_: Mapping[str, object]) -> str:
    return " against ".join(round_)
