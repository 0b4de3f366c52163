"""The throughput part of a run: one step per round, so that an interrupted run keeps the finished rounds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.harness import wording
from benchmarks.harness.closed_loop import FaceBox
from benchmarks.harness.results import Key, Result
from benchmarks.harness.steps import Need, Step
from benchmarks.throughput import jpeg_uploads, scenarios
from benchmarks.throughput.figures import MeasuredTrial, note, note_failure
from benchmarks.throughput.scenarios import LoadPlan, Scenario
from benchmarks.throughput.sides import SIDES, Side, SideOptions
from benchmarks.throughput.workers import WorkerFailed
from service.images import app_uploads


def seconds(plan: LoadPlan) -> float:
    """Estimated duration of a plan."""
    return sum(each.opening + scenario.rounds * each.round for scenario, each in scenarios.estimates(plan))


def steps(
    plan: LoadPlan, paths: Sequence[Path], options: SideOptions, result: Result, stack: ExitStack
) -> list[Step]:
    """Steps of a plan: warm-up and rounds of each scenario.

    A side is open from its first to its last scenario; an interrupted run leaves it on the stack. A failed trial ends
    its scenario, and is recorded by the metric "failed" and among the facts.

    A step raises WorkerFailed, ServiceDied or StoreError if a side cannot be opened, and ValueError if no photo is
    readable.

    Args:
        plan: `scenarios.QUICK`, `scenarios.FULL` or another one.
        paths: photos of the corpus, of which a few are used.
        options: the model store and the remote service.
        result: receives the figures.
        stack: closes all sides at the latest.
    """
    return list(_ThroughputPart(plan, paths, options, result, stack).steps())


class _ThroughputPart:
    def __init__(
        self, plan: LoadPlan, paths: Sequence[Path], options: SideOptions, result: Result, stack: ExitStack
    ) -> None:
        self._plan = plan
        self._paths = paths
        self._options = options
        self._result = result
        self._stack = stack
        self._open: dict[tuple[str, int], tuple[Side, ExitStack]] = {}
        self._prepared: Scenario | None = None
        """Current scenario."""
        self._uploads: list[bytes] = []
        """Its uploads."""
        self._photos: list[jpeg_uploads.SourcePhoto] = []

    def steps(self) -> Iterator[Step]:
        for number, (scenario, estimate) in enumerate(scenarios.estimates(self._plan)):
            prepare = partial(self._prepare, number)
            yield Step(f"{_title(scenario)}: warm-up", estimate.opening, prepare, scenario.need)
            rounds = scenario.rounds + scenario.more_rounds
            for round_ in range(1, rounds + 1):
                label = f"{_title(scenario)}: round {round_} of {rounds}"
                need = scenario.need if round_ <= scenario.rounds else Need.MAY
                yield Step(label, estimate.round, partial(self._round, scenario, round_), need)

    def _prepare(self, number: int) -> None:
        """Open the sides of a scenario, close the sides that no later scenario needs, make the uploads, warm up."""
        needed = {
            (name, scenario.model) for scenario in self._plan.scenarios[number:] for name in scenario.sides
        }
        for which in [which for which in self._open if which not in needed]:
            self._open.pop(which)[1].close()
        scenario = self._plan.scenarios[number]
        for name in scenario.sides:
            if (name, scenario.model) not in self._open:
                self._open_side(name, scenario.model)
        self._prepared, self._uploads = scenario, self._make_uploads(scenario)
        if self._uploads:
            warm_up = {name: scenarios.warm_up_calls(scenario, name) for name in scenario.sides}
            self._trials(scenario, {name: calls for name, calls in warm_up.items() if calls})

    def _open_side(self, name: str, model: int) -> None:
        stack = self._stack.enter_context(ExitStack())
        side = stack.enter_context(SIDES[name](self._options, model))
        self._open[name, model] = (side, stack)
        if side.ready_after is not None:
            key = Key(section="throughput", metric="ready after", side=name, model=model)
            self._result.note(key, side.ready_after)

    def _make_uploads(self, scenario: Scenario) -> list[bytes]:
        """Uploads of a scenario; empty if it needs a face and no photo has one."""
        side, _ = self._open[scenario.sides[0], scenario.model]
        if not self._photos:
            most = max(scenario.photos for scenario in self._plan.scenarios)
            self._photos = jpeg_uploads.chosen(self._paths, most, partial(_detected, side))
        if scenario.faces is None:
            taken = self._photos[: scenario.photos]
            return [
                app_uploads.encoded(app_uploads.scaled(photo.image, scenario.megapixels)) for photo in taken
            ]
        if (face := self._photos[0].face) is None:
            return []
        return [app_uploads.encoded(jpeg_uploads.crowded(face, scenario.faces, scenario.megapixels))]

    def _round(self, scenario: Scenario, number: int) -> None:
        """Trials of all sides, in reverse order in every second round, to cancel effects of the order."""
        if (
            self._uploads and self._prepared is scenario
        ):  # for lack of time, the warm-up may have been left out
            order = scenario.sides if number % 2 else scenario.sides[::-1]
            calls = {name: scenarios.calls(scenario, name, self._plan.trial_seconds) for name in order}
            if trials := self._trials(scenario, calls):
                note(self._result, scenario, {name: trials[name] for name in scenario.sides})

    def _trials(self, scenario: Scenario, calls: Mapping[str, int]) -> dict[str, MeasuredTrial]:
        """One trial per side with this number of photos; empty after a failure, which also ends the scenario.

        dlib's CNN takes gigabytes: running out of memory must not cost the figures measured before.
        """
        try:
            return {name: self._measured(scenario, name, number) for name, number in calls.items()}
        except WorkerFailed as error:
            self._result.facts.setdefault("throughput", {})[_title(scenario)] = str(error)
            note_failure(self._result, scenario, error.side, calls[error.side])
            self._uploads = []
            for name in scenario.sides:
                self._open.pop((name, scenario.model))[1].close()  # the next scenario reopens them
            return {}

    def _measured(self, scenario: Scenario, name: str, calls: int) -> MeasuredTrial:
        side, _ = self._open[name, scenario.model]
        side.peak_memory()  # resets the peak
        trial = side.trial(list(itertools.islice(itertools.cycle(self._uploads), calls)), scenario.callers)
        return MeasuredTrial(trial, side.peak_memory())


def _detected(side: Side, photo: bytes) -> tuple[FaceBox, ...]:
    ((_, response),) = side.trial([photo], 1).responses
    return response.faces


def _title(scenario: Scenario) -> str:
    key = Key(
        section=scenario.section,
        metric="",
        side=" against ".join(scenario.sides),
        model=scenario.model,
        megapixels=scenario.megapixels,
        callers=scenario.callers if scenario.faces is None else None,
        faces=scenario.faces,
    )
    return wording.title(key)
