"""What a round's turns say, as figures: of each side, of its stages, and how two sides compare."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.harness.closed_loop import Turn
from benchmarks.harness.results import Key, Result
from benchmarks.throughput.cases import Case


@dataclass(frozen=True)
class Taken:
    """A side's turn, and its peak memory meanwhile in MiB; None if that is out of reach."""

    turn: Turn
    peak: float | None

    @property
    def cpu_seconds(self) -> float | None:
        """Of a photo."""
        spent = self.turn.cpu_seconds
        return None if spent is None else spent / len(self.turn.answers)


Measure = Callable[[Taken], float | None]
"""A value of a turn; None where there is none."""
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "photos per second": lambda taken: taken.turn.photos_per_second,
        "median latency": lambda taken: taken.turn.latency(50),
        "95 % latency": lambda taken: taken.turn.latency(95),
        "99 % latency": lambda taken: taken.turn.latency(99),
        "seconds": lambda taken: taken.turn.seconds / len(taken.turn.answers),
        "CPU seconds per photo": lambda taken: taken.cpu_seconds,
        "peak memory": lambda taken: taken.peak,
        "failed": lambda taken: len(taken.turn.failures),
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
"""What each section notes of each side."""
OVER_HTTP = ("service", "remote")
"""Sides whose calls can fail one by one; of another, a turn fails as a whole."""
WITH_CALLERS = ("throughput", "callers")
"""Sections whose figures depend on how many callers there are."""


def note(result: Result, case: Case, round_: Mapping[str, Taken]) -> None:
    """Add a round of a case, by the sides' names. Sides are compared where neither failed on a photo."""
    about = _about(case)
    if case.faces is not None:
        first = next(iter(round_.values())).turn
        # What is found is what costs, not what was drawn.
        about = about.model_copy(update={"faces": first.faces // len(first.answers)})
    for side, taken in round_.items():
        failed = ("failed",) if side in OVER_HTTP else ()
        for metric in (*NOTED[case.section], *failed):
            if (value := MEASURES[metric](taken)) is not None:
                result.note(about.model_copy(update={"metric": metric, "side": side}), value)
    if case.section == "throughput" and case.callers == 1:
        _note_stages(result, case, {side: taken.turn.stages for side, taken in round_.items()})
    if len(round_) == 2 and not any(taken.turn.failures for taken in round_.values()):
        ours, theirs = round_.values()
        both = about.model_copy(update={"side": _against(round_)})
        faster = ours.turn.photos_per_second / theirs.turn.photos_per_second
        result.note(both.model_copy(update={"metric": "times as fast"}), faster)
        if ours.peak is not None and theirs.peak is not None:
            result.note(both.model_copy(update={"metric": "times less memory"}), theirs.peak / ours.peak)


def note_failure(result: Result, case: Case, side: str, photos: int) -> None:
    """Add a turn that failed as a whole."""
    result.note(_about(case).model_copy(update={"metric": "failed", "side": side}), photos)


def _about(case: Case) -> Key:
    """What all figures of a case have in common; they add their metric and their side."""
    return Key(
        section=case.section,
        metric="",
        model=case.model,
        megapixels=case.megapixels,
        callers=case.callers if case.section in WITH_CALLERS else None,
        faces=case.faces,
    )


def _note_stages(result: Result, case: Case, round_: Mapping[str, Mapping[str, float]]) -> None:
    """Seconds of each stage a photo, and how the stages that two sides share compare."""
    about = Key(section="stages", metric="seconds", model=case.model, megapixels=case.megapixels)
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
