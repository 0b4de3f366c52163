"""The parity part of a run: opens both sides when its turn comes."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.harness import facts, plan
from benchmarks.harness.corpus import Corpus
from benchmarks.harness.options import DLIB, NAMED, Options
from benchmarks.harness.results import Result
from benchmarks.library import open_library
from benchmarks.parity import candidates, section
from benchmarks.parity.baselines import Baseline, Dlib, Recorded, Recording, Running
from benchmarks.parity.candidates import Candidate, Unanswered
from benchmarks.parity.reference import WEIGHTS, References
from benchmarks.parity.stages import Stages
from model_store.store import WeightStore
from service.recognition.compute import cgroups
from service.recognition.compute.core_count import usable_cores

DLIB_BYTES_PER_PIXEL = 1000
"""Of memory that dlib's CNN takes: how many photos it can have in work."""
SPARE = 0.8
"""Share of the memory that is left which dlib may take."""


class ParityPart:
    """Both sides and what they gave. `section` is None until they are open."""

    def __init__(self, options: Options, photos: Corpus, result: Result) -> None:
        self._options = options
        self._photos = photos
        self._result = result
        self._plan = section.PLANS[options.plan]
        self._recording = Recording()
        self.section: section.Section | None = None

    def part(self) -> plan.Part:
        """All of it, as a part of the run."""
        seconds = section.seconds(self._plan, self._photos, self._processes())
        return plan.Part("opening services and dlib", seconds, self._open)

    def note(self) -> None:
        """Put what was compared into the result."""
        if self.section is not None:
            self.section.note(self._result)
            self._result.facts["services"] = dict(self.section.computed_by)

    def save(self) -> None:
        """Keep the candidate's answers where that was asked for."""
        if self.section is not None and self._options.record:
            self._recording.save(self._options.record)

    def _open(self, stack: ExitStack) -> Sequence[plan.Step]:
        baseline = self._baseline(stack)
        asked = self._options.models or [model for model in NAMED if model in baseline.models]
        opened = self._candidates(stack, asked)
        if missing := sorted(opened.keys() - set(baseline.models)):
            raise Unanswered(f"{baseline.name} has no answers of model {', '.join(map(str, missing))}")
        self.section = section.Section(
            self._photos,
            self._plan,
            baseline,
            opened,
            self._stages(stack) if isinstance(baseline, Dlib) and not self._options.candidate else None,
            self._recording,
            self._processes(),
        )
        self._result.facts["run"] |= {"baseline": baseline.name, "models": " ".join(map(str, opened))}
        return self.section.steps(stack)

    def _baseline(self, stack: ExitStack) -> Baseline:
        against = self._options.against
        if against == DLIB:
            weights = WeightStore(self._options.store)
            cached = self._options.cache / "reference"
            return Dlib(References(cached, {name: weights.path(name) for name in WEIGHTS}), self._processes())
        if "://" in against:
            return Running(
                stack.enter_context(candidates.at(against, self._options.key)), "a running service"
            )
        return Recorded(Path(against))

    def _candidates(self, stack: ExitStack, models: Sequence[int]) -> Mapping[int, Candidate]:
        if self._options.candidate:
            return stack.enter_context(candidates.at(self._options.candidate, self._options.key))
        return stack.enter_context(candidates.started(models, self._options.store))

    def _stages(self, stack: ExitStack) -> Stages:
        five, sixty_eight = (
            stack.enter_context(closing(open_library(self._options.store, model))) for model in (4, 2)
        )
        self._result.facts["recognition"] = facts.recognition(five, self._options.store)
        return Stages(five.engine, sixty_eight.engine)

    def _processes(self) -> int:
        """Photos that dlib has in work: one a core, if there is the memory."""
        memory = min(facts.available_memory(), cgroups.memory_limit())
        each = DLIB_BYTES_PER_PIXEL * self._plan.area
        return max(min(usable_cores(), int(SPARE * memory / each)), 1)
