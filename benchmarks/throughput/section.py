"""A plan's cases as steps that note figures: each step is one round, so that an interrupted run keeps the others."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.harness.closed_loop import Edges
from benchmarks.harness.plan import Step
from benchmarks.harness.results import Key, Result
from benchmarks.throughput import cases, photos
from benchmarks.throughput.cases import Case, Plan
from benchmarks.throughput.figures import Taken, note, note_failure
from benchmarks.throughput.sides import SIDES, Setting, Side
from benchmarks.throughput.workers import WorkerFailed


def seconds(plan: Plan) -> float:
    """How long all of a plan takes, roughly."""
    return sum(each.opening + case.rounds * each.round for case, each in cases.estimates(plan))


def steps(
    plan: Plan, paths: Sequence[Path], setting: Setting, result: Result, stack: ExitStack
) -> list[Step]:
    """All rounds of a plan.

    Sides are opened when their first case comes and closed after their last one; an interrupted run leaves them on
    the stack. A side that fails in a turn is noted, by the metric "failed" and among the facts, and its case ends.

    A step raises WorkerFailed, ServiceDied or StoreError where a side cannot be opened, and ValueError where no photo
    can be read.

    Args:
        plan: `cases.QUICK`, `cases.FULL` or one's own.
        paths: photos; few of them are taken.
        setting: where the models are, and the remote service.
        result: takes the figures.
        stack: closes what is open, at the latest.
    """
    section = _Section(plan, paths, setting, result, stack)
    return list(section.steps())


class _Section:
    def __init__(
        self, plan: Plan, paths: Sequence[Path], setting: Setting, result: Result, stack: ExitStack
    ) -> None:
        self._plan = plan
        self._paths = paths
        self._setting = setting
        self._result = result
        self._stack = stack
        self._open: dict[tuple[str, int], tuple[Side, ExitStack]] = {}
        self._uploads: list[bytes] = []
        """Of the case at hand."""
        self._photos: list[photos.Photo] = []

    def steps(self) -> Iterator[Step]:
        for number, (case, estimate) in enumerate(cases.estimates(self._plan)):
            yield Step(f"{_title(case)}: warm-up", estimate.opening, partial(self._prepare, number))
            for round_ in range(1, case.rounds + 1):
                says = f"{_title(case)}: round {round_} of {case.rounds}"
                yield Step(says, estimate.round, partial(self._round, case, round_))

    def _prepare(self, number: int) -> None:
        """Open what the case needs, close what no case needs any more, make the photos, warm up."""
        needed = {(name, case.model) for case in self._plan.cases[number:] for name in case.sides}
        for which in [which for which in self._open if which not in needed]:
            self._open.pop(which)[1].close()
        case = self._plan.cases[number]
        for name in case.sides:
            if (name, case.model) not in self._open:
                self._open_side(name, case.model)
        self._uploads = self._made(case)
        if self._uploads:
            warm_up = {name: cases.warm_up_calls(case, name) for name in case.sides}
            self._turns(case, {name: calls for name, calls in warm_up.items() if calls})

    def _open_side(self, name: str, model: int) -> None:
        stack = self._stack.enter_context(ExitStack())
        side = stack.enter_context(SIDES[name](self._setting, model))
        self._open[name, model] = (side, stack)
        if side.ready_after is not None:
            key = Key(section="throughput", metric="ready after", side=name, model=model)
            self._result.note(key, side.ready_after)

    def _made(self, case: Case) -> list[bytes]:
        """The case's photos; none where it wants a face and no photo has one."""
        side, _ = self._open[case.sides[0], case.model]
        if not self._photos:
            most = max(case.photos for case in self._plan.cases)
            self._photos = photos.chosen(self._paths, most, partial(_found, side))
        if case.faces is None:
            taken = self._photos[: case.photos]
            return [photos.encoded(photos.scaled(photo.image, case.megapixels)) for photo in taken]
        if (face := self._photos[0].face) is None:
            return []
        return [photos.encoded(photos.crowded(face, case.faces, case.megapixels))]

    def _round(self, case: Case, number: int) -> None:
        """All sides in turn, in every other round the last one first: who follows on whom must not matter."""
        if self._uploads:
            order = case.sides if number % 2 else case.sides[::-1]
            if turns := self._turns(case, {name: cases.calls(case, name, self._plan.turn) for name in order}):
                note(self._result, case, {name: turns[name] for name in case.sides})

    def _turns(self, case: Case, calls: Mapping[str, int]) -> dict[str, Taken]:
        """Turns of so many photos each. Nothing, and no more rounds of the case, where a side fails: dlib's CNN takes
        gigabytes, and that must not cost what was measured before."""
        try:
            return {name: self._taken(case, name, number) for name, number in calls.items()}
        except WorkerFailed as error:
            self._result.facts.setdefault("throughput", {})[_title(case)] = str(error)
            note_failure(self._result, case, error.side, calls[error.side])
            self._uploads = []
            for name in case.sides:
                self._open.pop((name, case.model))[1].close()  # the next case opens them anew
            return {}

    def _taken(self, case: Case, name: str, calls: int) -> Taken:
        side, _ = self._open[name, case.model]
        side.peak_memory()  # forgets what was before
        turn = side.turn(list(itertools.islice(itertools.cycle(self._uploads), calls)), case.callers)
        return Taken(turn, side.peak_memory())


def _found(side: Side, photo: bytes) -> tuple[Edges, ...]:
    ((_, answer),) = side.turn([photo], 1).answers
    return answer.faces


def _title(case: Case) -> str:
    what = f"{case.faces} faces" if case.faces is not None else f"{case.callers} callers"
    return f"{' against '.join(case.sides)}, model {case.model}, {case.megapixels:g} MP, {what}"
