"""Comparison of candidates with the baseline on every photo, over HTTP and stage by stage."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.corpus import Corpus, spread
from benchmarks.harness.faces import AnsweredFace, matched
from benchmarks.harness.results import Key, Result, Series
from benchmarks.harness.steps import Need, Step
from benchmarks.parity import accuracy, pixels
from benchmarks.parity.baselines import Baseline, Expected, Recording
from benchmarks.parity.candidates import Candidate, Unanswered
from benchmarks.parity.comparison import Comparison, finite
from benchmarks.parity.decoded_photos import Photo, decoded
from benchmarks.parity.discrepancies import Discrepancy, cut_out
from benchmarks.parity.stages import Stages
from service.recognition.geometry import Rectangle
from service.settings import ADVERTISED_AREA


@dataclass(frozen=True)
class PhotoSelection:
    """Size and number of the compared photos."""

    area: int
    """Pixel limit; larger photos are scaled down to it, as the app does to the area that `/open` reports."""
    total: float
    """Approximate pixels of all photos together, which limits their number."""


PLANS: Mapping[str, PhotoSelection] = {
    "quick": PhotoSelection(area=220_000, total=4.4e6),
    "full": PhotoSelection(area=ADVERTISED_AREA, total=math.inf),
}

LEAST_PHOTOS = 6
"""Number of photos that are compared however long it takes."""
TYPICAL = 1.5e6
"""Assumed pixels of a photo of unknown size, for the estimate."""
DLIB_SECONDS = 7.5e-6
"""Core seconds per pixel: dlib-bin's CNN, HOG and some faces (measured on a Zen 4; five times less with a BLAS)."""
SHOWN_FACES = 24
"""Number of faces in the report, over all models."""
OPENING = 8.0
"""Estimated seconds to start four services and dlib's processes."""


def selected(plan: PhotoSelection, corpus: Corpus) -> list[Path]:
    """Photos of the plan, evenly spaced over the corpus, as are the first `LEAST_PHOTOS` of them."""
    photos = spread(corpus.photos, max(int(min(plan.total / plan.area, len(corpus.photos))), 1))
    first = spread(photos, LEAST_PHOTOS)
    return [*first, *(photo for photo in photos if photo not in set(first))]


def seconds(plan: PhotoSelection, corpus: Corpus, processes: int) -> float:
    """Estimated duration without cached answers of dlib."""
    return OPENING + len(selected(plan, corpus)) * min(plan.area, TYPICAL) * DLIB_SECONDS / processes


def query(
    candidate: Candidate,
    photo: Photo,
    expected: Sequence[AnsweredFace] | None,
    comparison: Comparison | None,
) -> list[AnsweredFace] | None:
    """Faces of `/detect`, each also sent to `/compute`; None if the candidate failed.

    Args:
        candidate: a running service.
        photo: the photo to send.
        expected: reference faces; None if the baseline has no answer for the photo.
        comparison: receives the differences and the failure.
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
        for detected, recomputed in zip(faces, computed, strict=True):
            comparison.add_computed(photo.name, detected, recomputed)
    return faces


def scan_figures(scan: Mapping[str, Any]) -> dict[str, float]:
    """Figures by metric, of the fields of `contract.ScanFigures`."""
    return {
        **{metric: scan[metric] for metric in ("photos", "crowded", "deviating", "checked")},
        "share rescored": scan["rescored"] / max(scan["scores"], 1),
        "largest error": finite(scan["largest_error"]),
        "stopped": float(scan["stopped"] is not None),
    }


@dataclass
class CorpusComparison:
    """Comparison of candidates with a baseline over a corpus.

    Args:
        corpus: the photos.
        plan: size and number of the photos.
        baseline: source of the reference answers.
        candidates: by model.
        stages: comparison of this checkout's stages with dlib's; None: not compared.
        recording: stores the candidate's answers.
        processes: photos that the baseline computes concurrently.
    """

    corpus: Corpus
    plan: PhotoSelection
    baseline: Baseline
    candidates: Mapping[int, Candidate]
    stages: Stages | None
    recording: Recording
    processes: int
    undecodable: list[str] = field(default_factory=list)
    unknown: int = 0
    """Photos without reference answers."""
    computed_by: dict[str, str] = field(default_factory=dict)
    """Engines and the CNN detector's precision by model, as far as a service reports them."""

    def __post_init__(self) -> None:
        self._paths = selected(self.plan, self.corpus)
        self.comparisons = {model: Comparison() for model in self.candidates if model in self.baseline.models}
        self._pixels = pixels.PixelDifferences()
        self._recall = MarkedFaceRecall(self.corpus.boxes or {})
        self._recorded = [0, 0]
        """Numbers of photos with recorded pixels: all, and the photos that now decode to other pixels."""
        self._fallbacks: dict[int, int] = {}
        """Number of a service's stages with fallbacks to another engine, by model."""
        self._scans: dict[int, dict[str, float]] = {}
        """`scan_figures` of a service with a scan in int8, by model."""

    def steps(self, stack: ExitStack) -> list[Step]:
        """Steps per photo, then the engines. Resources are registered on the stack."""
        photos = decoded(self._paths, self.plan.area, self.undecodable, self.corpus.name)
        expected = self.baseline.of(photos)
        stack.callback(getattr(expected, "close", lambda: None))
        decoders = (
            stack.enter_context(closing(pixels.DecoderComparison())) if self.stages is not None else None
        )
        found: list[Step] = []
        for number, path in enumerate(self._paths, 1):
            need = Need.MUST if number <= LEAST_PHOTOS else Need.SHOULD
            label = f"parity: photo {number} of {len(self._paths)}"
            found.append(Step(label, 1.0, partial(self._photo, expected, decoders, path), need))
        return [*found, Step("parity: engines", 0.1, self._check_engines)]

    def _check_engines(self) -> None:
        """Count stages with fallbacks: answers that dlib itself computed do not show parity."""
        for model, candidate in self.candidates.items():
            info = candidate.info()
            if stages := info.get("stages"):
                detector = stages.get("cnn_detections", {})
                precision = detector.get("precision")
                engines = ", ".join(sorted({stage["engine"] for stage in stages.values()}))
                self._fallbacks[model] = sum(stage["fallbacks"] > 0 for stage in stages.values())
                self.computed_by[f"model {model}"] = f"{engines}, {precision}" if precision else engines
                if scan := detector.get("scan"):
                    self._scans[model] = scan_figures(scan)
            # A worker that was started after the stop has no scan.
            if info.get("worker", {}).get("scan_stopped") is not None:
                self._scans.setdefault(model, {})["stopped"] = 1.0

    def _photo(
        self, expected: Iterator[Expected], decoders: pixels.DecoderComparison | None, path: Path
    ) -> None:
        """Compare the answers to the next decodable photo, and the decoded pixels of a file."""
        self._next(expected)
        if decoders is not None:
            self._decode(decoders, path)

    def _next(self, expected: Iterator[Expected]) -> None:
        entry = next(expected, None)
        if entry is None:  # undecodable files leave fewer photos than steps
            return
        photo, answers, dlib, pixels = entry
        self.unknown += not answers
        if pixels:
            self._recorded[0] += 1
            self._recorded[1] += pixels != photo.digest
        if dlib is not None and self.stages is not None:
            self.stages.add(photo, dlib)
        for model, candidate in self.candidates.items():
            self._compare(photo, model, candidate, answers.get(model))

    def _compare(
        self, photo: Photo, model: int, candidate: Candidate, expected: Sequence[AnsweredFace] | None
    ) -> None:
        faces = query(candidate, photo, expected, self.comparisons.get(model))
        if faces is not None:
            self.recording.add(photo, model, faces)
            if expected is not None:
                self._recall.add(photo, model, expected, faces)

    def _decode(self, decoders: pixels.DecoderComparison, path: Path) -> None:
        compared = decoders.difference(path)
        if compared is not None:
            self._pixels.add(path, *compared)

    def note(self, result: Result) -> None:
        """Add the figures of the photos compared so far to a result."""
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
                        "reference": [finite(match.reference.confidence) for match in comparison.matches],
                        "candidate": [finite(match.candidate.confidence) for match in comparison.matches],
                    },
                )
            )
        self._recall.note(result)
        for model, number in self._fallbacks.items():
            key = Key(section="parity", model=model, metric="stages by another engine")
            result.note(key, number)
        for model, scan in self._scans.items():
            for metric, value in scan.items():
                result.note(Key(section="parity", model=model, stage="scan", metric=metric), value)
        if self._recorded[0]:
            result.note(Key(section="parity", stage="recorded pixels", metric="photos"), self._recorded[0])
            result.note(
                Key(section="parity", stage="recorded pixels", metric="photos differing"), self._recorded[1]
            )

    def discrepancies(self, *, crops: bool) -> list[Discrepancy]:
        """Largest differences for the report, with face crops if requested."""
        each = SHOWN_FACES // max(len(self.comparisons), 1)
        worst = [problem for comparison in self.comparisons.values() for problem in comparison.worst(each)]
        if not crops:
            return [Discrepancy(problem) for problem in worst]
        names = {problem.photo for problem in worst}
        paths = [path for path in self._paths if self.corpus.name(path) in names]
        images = {photo.name: photo.image for photo in decoded(paths, self.plan.area, [], self.corpus.name)}
        return [cut_out(problem, images[problem.photo]) for problem in worst]

    def problems(self) -> Iterator[str]:
        """Differences beyond the tolerances, one line each."""
        yield from self._pixels.problems
        if self.stages is not None:
            yield from self.stages.problems
        for model, comparison in self.comparisons.items():
            yield from (f"model {model}: {problem}" for problem in comparison.problems)


class MarkedFaceRecall:
    """Recall on manually marked faces, for candidate and reference."""

    def __init__(self, boxes: Mapping[str, Sequence[Rectangle]]) -> None:
        self._boxes = boxes
        self._found: dict[tuple[int, str], int] = {}
        self._marked: dict[int, int] = {}

    def add(
        self, photo: Photo, model: int, expected: Sequence[AnsweredFace], faces: Sequence[AnsweredFace]
    ) -> None:
        """Match both sides' faces of a photo with the marked faces."""
        boxes = [
            AnsweredFace(Rectangle(*(round(edge * photo.scale) for edge in box)), 1.0, (), ())
            for box in self._boxes.get(photo.name, ())
        ]
        if boxes:
            self._marked[model] = self._marked.get(model, 0) + len(boxes)
            for side, answered in (("reference", expected), ("candidate", faces)):
                found = self._found.get((model, side), 0)
                self._found[model, side] = found + len(matched(boxes, answered))

    def note(self, result: Result) -> None:
        """Add the figures to a result."""
        for model, number in self._marked.items():
            result.note(Key(section="accuracy", model=model, metric="marked faces"), number)
        for (model, side), found in self._found.items():
            key = Key(section="accuracy", model=model, side=side, metric="marked faces found")
            result.note(key, found / self._marked[model])
