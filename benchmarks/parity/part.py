"""Set-up of the parity part: baseline, candidates and stages, by the options of the run."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.harness import facts, steps
from benchmarks.harness.corpus import Corpus
from benchmarks.harness.library import open_library
from benchmarks.harness.options import COMPARABLE_MODELS, DLIB, Options
from benchmarks.harness.results import Result
from benchmarks.parity import candidates, corpus_comparison
from benchmarks.parity.baselines import Baseline, DlibBaseline, RecordedBaseline, Recording, ServiceBaseline
from benchmarks.parity.candidates import Candidate, Unanswered
from benchmarks.parity.reference import WEIGHTS, References
from benchmarks.parity.stages import Stages
from model_store.store import WeightStore
from service.recognition.compute.core_count import usable_processors

DLIB_BYTES_PER_PIXEL = 1000
"""Memory of dlib's CNN per pixel of a photo."""
MEMORY_SHARE = 0.8
"""Share of the available memory for dlib's processes."""


class ParityPart:
    """Parity part with the comparison's results. `comparison` is None until both sides are open."""

    def __init__(self, options: Options, photos: Corpus, result: Result) -> None:
        self._options = options
        self._photos = photos
        self._result = result
        self._plan = corpus_comparison.PLANS[options.plan]
        self._recording = Recording()
        self.comparison: corpus_comparison.CorpusComparison | None = None

    def part(self) -> steps.Part:
        """Part for `steps.run`."""
        seconds = corpus_comparison.seconds(self._plan, self._photos, self._processes())
        return steps.Part("opening services and dlib", seconds, self._open)

    def note(self) -> None:
        """Add the figures to the result."""
        if self.comparison is not None:
            self.comparison.note(self._result)
            self._result.facts["services"] = dict(self.comparison.computed_by)

    def save(self) -> None:
        """Write the candidate's answers, if `--record` was given."""
        if self.comparison is not None and self._options.record:
            self._recording.save(self._options.record)

    def _open(self, stack: ExitStack) -> Sequence[steps.Step]:
        baseline = self._baseline(stack)
        models = self._options.models or [model for model in COMPARABLE_MODELS if model in baseline.models]
        opened = self._candidates(stack, models)
        if missing := sorted(opened.keys() - set(baseline.models)):
            raise Unanswered(f"{baseline.name} has no answers for model {', '.join(map(str, missing))}")
        self.comparison = corpus_comparison.CorpusComparison(
            self._photos,
            self._plan,
            baseline,
            opened,
            self._stages(stack)
            if isinstance(baseline, DlibBaseline) and not self._options.candidate
            else None,
            self._recording,
            self._processes(),
        )
        self._result.facts["run"] |= {
            facts.BASELINE: baseline.name,
            "models": " ".join(map(str, opened)),
            facts.LARGEST_PHOTO: self._plan.area / 1e6,
        }
        return self.comparison.steps(stack)

    def _baseline(self, stack: ExitStack) -> Baseline:
        against = self._options.against
        if against == DLIB:
            weights = WeightStore(self._options.store)
            cached = self._options.cache / "reference"
            return DlibBaseline(
                References(cached, {name: weights.path(name) for name in WEIGHTS}), self._processes()
            )
        if "://" in against:
            return ServiceBaseline(
                stack.enter_context(candidates.at(against, self._options.key)), "a running service"
            )
        return RecordedBaseline(Path(against))

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
        """Number of dlib processes: one per core, as far as memory allows."""
        memory = MEMORY_SHARE * facts.available_memory()
        return max(min(usable_processors(), int(memory / (DLIB_BYTES_PER_PIXEL * self._plan.area))), 1)
