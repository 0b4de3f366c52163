"""What a candidate is held against: dlib itself, another running service, or the recorded answers of either."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.harness.faces import AnsweredFace, of_entry
from benchmarks.parity.candidates import Candidate
from benchmarks.parity.photos import Photo
from benchmarks.parity.reference import Reference, References
from model_store.atomic import atomic_file

RECORDED_FORMAT = 1

Answers = Mapping[int, Sequence[AnsweredFace]]
"""By model."""


class Expected(NamedTuple):
    """A photo, and what is right for it."""

    photo: Photo
    answers: Answers
    """Empty where the baseline does not know the photo."""
    stages: Reference | None = None
    """dlib's stages, where dlib is the baseline."""
    pixels: str = ""
    """SHA-256 of the photo's pixels when it was recorded; empty where it was not."""


class Baseline(Protocol):
    """Who says what is right."""

    name: str
    models: Sequence[int]

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        """The photos, in their order."""


@dataclass
class Dlib:
    """dlib, called directly."""

    references: References
    processes: int
    name: str = "dlib"
    models: Sequence[int] = (1, 2, 3, 4)

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        for photo, reference in self.references.of(photos, self.processes):
            yield Expected(photo, reference.models, reference)


class Running:
    """A service that is trusted."""

    def __init__(self, candidates: Mapping[int, Candidate], name: str) -> None:
        self.name = name
        self.models: Sequence[int] = list(candidates)
        self._candidates = candidates

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        """Raises candidates.Unanswered."""
        for photo in photos:
            yield Expected(
                photo, {model: candidate.detect(photo) for model, candidate in self._candidates.items()}
            )


class NoRecording(ValueError):
    """A file holds no recorded answers. One line."""


class Recorded:
    """Answers that `Recording` has kept. Raises NoRecording."""

    def __init__(self, path: Path) -> None:
        try:
            recorded = json.loads(gzip.decompress(path.read_bytes()))
            if recorded["format"] != RECORDED_FORMAT:
                raise NoRecording(f"{path} is of another version of these benchmarks")
            self._photos: dict[str, tuple[str, Answers]] = {
                source: (
                    pixels,
                    {int(model): [of_entry(face) for face in faces] for model, faces in answers.items()},
                )
                for source, (pixels, answers) in recorded["photos"].items()
            }
        except OSError as error:
            raise NoRecording(f"{path} holds no recorded answers: {error}") from error
        except (ValueError, KeyError, TypeError, EOFError) as error:
            raise NoRecording(f"{path} holds no recorded answers: {error!r}") from error
        self.name = "a recording"
        self.models: Sequence[int] = sorted(
            {model for _, answers in self._photos.values() for model in answers}
        )

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        for photo in photos:
            pixels, answers = self._photos.get(_source(photo), ("", {}))
            yield Expected(photo, answers, pixels=pixels)


class Recording:
    """Keeps a candidate's answers, for a later run to be held against. Descriptors are as private as the photos are."""

    def __init__(self) -> None:
        self._photos: dict[str, tuple[str, dict[int, list[Any]]]] = {}

    def add(self, photo: Photo, model: int, faces: Sequence[AnsweredFace]) -> None:
        """Keep one photo's answer, under its file and its size."""
        _, answers = self._photos.setdefault(_source(photo), (photo.digest, {}))
        answers[model] = [
            [face.rectangle, face.confidence, face.landmarks, face.descriptor] for face in faces
        ]

    def save(self, path: Path) -> None:
        """Write all of it, readable by its owner only."""
        with atomic_file(path) as file:
            Path(file.name).chmod(0o600)
            file.write(
                gzip.compress(json.dumps({"format": RECORDED_FORMAT, "photos": self._photos}).encode())
            )


def _source(photo: Photo) -> str:
    """A file at a size: the pixels are left to whoever decodes it."""
    rows, columns = photo.image.shape[:2]
    return f"{photo.source} {columns}x{rows}"
