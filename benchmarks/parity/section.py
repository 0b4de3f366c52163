"""The parity part of a run: every photo through a baseline and a candidate, stage by stage and over HTTP."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.corpus import Corpus, spread
from benchmarks.harness.faces import AnsweredFace, matched
from benchmarks.harness.plan import Step
from benchmarks.harness.results import Key, Result, Series
from benchmarks.parity import accuracy, pixels
from benchmarks.parity.baselines import Baseline, Expected, Recording
from benchmarks.parity.candidates import Candidate, Unanswered
from benchmarks.parity.cases import Case, cut_out
from benchmarks.parity.comparison import Comparison, noted
from benchmarks.parity.photos import Photo, decoded
from benchmarks.parity.stages import Stages
from benchmarks.parity.upstream_rule import changed_verdicts
from service.recognition.geometry import Rectangle
from service.settings import ADVERTISED_AREA


@dataclass(frozen=True)
class Plan:
    """Which photos, how large."""

    area: int
    """Pixels; larger photos are scaled down to it, as the app scales to the area that `/open` names."""
    total: float
    """Pixels of all photos together, about: fewer photos are taken where they have more."""


PLANS: Mapping[str, Plan] = {
    "quick": Plan(area=220_000, total=4.4e6),
    "full": Plan(area=ADVERTISED_AREA, total=math.inf),
}

TYPICAL = 1.5e6
"""Pixels of a photo, where their sizes are not known yet and the plan takes any."""
DLIB_SECONDS = 7.5e-6
"""Of a core for a pixel: dlib-bin's CNN and HOG, and some faces (measured on a Zen 4; five times less with a BLAS)."""
CASES = 24
"""Faces that a report shows, of all models together."""
OPENING = 8.0
"""Seconds until four services and dlib's processes are there."""


def chosen(plan: Plan, corpus: Corpus) -> list[Path]:
    """The photos that the plan takes, from all over the corpus."""
    return spread(corpus.photos, max(int(min(plan.total / plan.area, len(corpus.photos))), 1))


def seconds(plan: Plan, corpus: Corpus, processes: int) -> float:
    """How long it will take, roughly, where no answer of dlib's is known from before."""
    return OPENING + len(chosen(plan, corpus)) * min(plan.area, TYPICAL) * DLIB_SECONDS / processes


def ask(
    candidate: Candidate,
    photo: Photo,
    expected: Sequence[AnsweredFace] | None,
    comparison: Comparison | None,
) -> list[AnsweredFace] | None:
    """A candidate's faces, each asked about once more by `/compute`; None: it did not answer.

    Args:
        candidate: a running service.
        photo: is sent to it.
        expected: what is right; None: not known.
        comparison: where it is noted.
    """
    try:
        faces = candidate.detect(photo)
        computed = [candidate.compute(photo, face) for face in faces]
    except Unanswered as error:
        if comparison is not None:
            comparison.fail(photo.name, str(error), expected or ())
        return None
    if comparison is not None and expected is not None:
        comparison.add(photo.name, faces, expected)
        for face, again in zip(faces, computed, strict=True):
            comparison.add_computed(photo.name, face, again)
    return faces


@dataclass
class Section:
    """Compares a candidate with a baseline.

    Args:
        corpus: the photos.
        plan: how many of them.
        baseline: who is right.
        candidates: by model; opened in the first step.
        stages: this checkout's stages, where dlib's are known; opened in the first step, None: not compared.
        recording: keeps the candidate's answers.
        processes: photos that the baseline has in work at once.
    """

    corpus: Corpus
    plan: Plan
    baseline: Baseline
    candidates: Mapping[int, Candidate]
    stages: Stages | None
    recording: Recording
    processes: int
    undecodable: list[str] = field(default_factory=list)
    unknown: int = 0
    """Photos that the baseline does not know."""
    computed_by: dict[str, str] = field(default_factory=dict)
    """The engines of each service, where it says."""

    def __post_init__(self) -> None:
        self._paths = chosen(self.plan, self.corpus)
        self.comparisons = {model: Comparison() for model in self.candidates if model in self.baseline.models}
        self._pixels = pixels.Pixels()
        self._marked = Marked(self.corpus.boxes or {})
        self._changed = [0, 0]
        """Verdicts of model 4 that upstream's rule would change, and all of them."""
        self._recorded = [0, 0]
        """Photos of a recording, and those that are decoded to other pixels now."""
        self._elsewhere: dict[int, int] = {}
        """By model, how many of a service's stages another engine has computed."""

    def steps(self, stack: ExitStack) -> list[Step]:
        """A step for each photo. The stack holds what they open."""
        photos = decoded(self._paths, self.plan.area, self.undecodable, self.corpus.name)
        expected = self.baseline.of(photos)
        stack.callback(getattr(expected, "close", lambda: None))
        found = [Step("parity", 1.0, lambda: self._next(expected)) for _ in self._paths]
        if self.stages is not None:
            decoders = stack.enter_context(closing(pixels.Decoders()))
            found += [
                Step("decoded pixels", 0.1, lambda path=path: self._decode(decoders, path))  # type: ignore[misc]
                for path in self._paths
            ]
        return [*found, Step("who has computed", 0.1, self._ask_engines)]

    def _ask_engines(self) -> None:
        """A stage that fails is computed by dlib in its place: an answer like dlib's shows nothing then."""
        for model, candidate in self.candidates.items():
            stages = candidate.stages()
            if stages is not None:
                engines = {stage["engine"] for stage in stages.values()}
                self._elsewhere[model] = sum(stage["fallbacks"] > 0 for stage in stages.values())
                self.computed_by[f"model {model}"] = ", ".join(sorted(engines))

    def _next(self, expected: Iterator[Expected]) -> None:
        entry = next(expected, None)
        if entry is None:  # fewer than there are files: some cannot be decoded
            return
        photo, answers, dlib, pixels = entry
        self.unknown += not answers
        if pixels:
            self._recorded[0] += 1
            self._recorded[1] += pixels != photo.digest
        if dlib is not None:
            changed = changed_verdicts(dlib)
            self._changed = [self._changed[0] + changed, self._changed[1] + len(dlib.models[4])]
            if self.stages is not None:
                self.stages.add(photo, dlib)
        for model, candidate in self.candidates.items():
            self._compare(photo, model, candidate, answers.get(model))

    def _compare(
        self, photo: Photo, model: int, candidate: Candidate, expected: Sequence[AnsweredFace] | None
    ) -> None:
        faces = ask(candidate, photo, expected, self.comparisons.get(model))
        if faces is not None:
            self.recording.add(photo, model, faces)
            if expected is not None:
                self._marked.add(photo, model, expected, faces)

    def _decode(self, decoders: pixels.Decoders, path: Path) -> None:
        compared = decoders.difference(path)
        if compared is not None:
            self._pixels.add(path, *compared)

    def note(self, result: Result) -> None:
        """Put what was compared so far into a result."""
        if not any(comparison.photos for comparison in self.comparisons.values()) and not self.unknown:
            return
        result.note(Key(section="parity", metric="unknown"), self.unknown)
        if self.stages is not None:
            self.stages.note(result)
            self._pixels.note(result)
        for model, comparison in self.comparisons.items():
            if not comparison.photos:
                continue
            comparison.note(result, model)
            accuracy.note(result, model, comparison.matches, self.corpus.pairs)
            result.series.append(
                Series(
                    name="confidences",
                    model=model,
                    columns={
                        "reference": [noted(match.reference.confidence) for match in comparison.matches],
                        "candidate": [noted(match.candidate.confidence) for match in comparison.matches],
                    },
                )
            )
        self._marked.note(result)
        for model, number in self._elsewhere.items():
            key = Key(section="parity", model=model, metric="stages by another engine")
            result.note(key, number)
        if self._recorded[0]:
            result.note(Key(section="parity", stage="recorded pixels", metric="photos"), self._recorded[0])
            result.note(
                Key(section="parity", stage="recorded pixels", metric="photos differing"), self._recorded[1]
            )
        if self._changed[1]:
            result.note(Key(section="upstream's rule", metric="faces"), self._changed[1])
            result.note(Key(section="upstream's rule", metric="verdicts differing"), self._changed[0])

    def cases(self, *, crops: bool) -> list[Case]:
        """The differences for a report, with the faces cut out of the photos where that is asked for."""
        each = CASES // max(len(self.comparisons), 1)
        worst = [problem for comparison in self.comparisons.values() for problem in comparison.worst(each)]
        if not crops:
            return [
                Case(problem.photo, problem.says, problem.reference, problem.candidate) for problem in worst
            ]
        names = {problem.photo for problem in worst}
        paths = [path for path in self._paths if self.corpus.name(path) in names]
        images = {photo.name: photo.image for photo in decoded(paths, self.plan.area, [], self.corpus.name)}
        return [
            cut_out(problem.photo, problem.says, problem.reference, problem.candidate, images[problem.photo])
            for problem in worst
        ]

    def problems(self) -> Iterator[str]:
        """Everything beyond the tolerances, a line each."""
        yield from self._pixels.problems
        if self.stages is not None:
            yield from self.stages.problems
        for model, comparison in self.comparisons.items():
            yield from (f"model {model}: {problem}" for problem in comparison.problems)


class Marked:
    """How many of the faces that people have marked either side finds."""

    def __init__(self, boxes: Mapping[str, Sequence[Rectangle]]) -> None:
        self._boxes = boxes
        self._found: dict[tuple[int, str], int] = {}
        self._all: dict[int, int] = {}

    def add(
        self, photo: Photo, model: int, expected: Sequence[AnsweredFace], faces: Sequence[AnsweredFace]
    ) -> None:
        """Note what both sides found on a photo."""
        boxes = [
            AnsweredFace(Rectangle(*(round(edge * photo.scale) for edge in box)), 1.0, (), ())
            for box in self._boxes.get(photo.name, ())
        ]
        if boxes:
            self._all[model] = self._all.get(model, 0) + len(boxes)
            for side, answered in (("reference", expected), ("candidate", faces)):
                found = self._found.get((model, side), 0)
                self._found[model, side] = found + len(matched(boxes, answered))

    def note(self, result: Result) -> None:
        """Put it into a result."""
        for model, number in self._all.items():
            result.note(Key(section="accuracy", model=model, metric="marked faces"), number)
        for (model, side), found in self._found.items():
            key = Key(section="accuracy", model=model, side=side, metric="marked faces found")
            result.note(key, found / self._all[model])
