"""What a candidate is held against: dlib itself, another running service, or the recorded answers of either."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.faces import AnsweredFace
from benchmarks.parity.candidates import Candidate
from benchmarks.parity.photos import Photo
from benchmarks.reference import Reference, References
from model_store.atomic import atomic_file
from service.recognition.geometry import Rectangle

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
            self._photos: dict[str, Answers] = {
                digest: {int(model): [_face(face) for face in faces] for model, faces in answers.items()}
                for digest, answers in recorded["photos"].items()
            }
        except OSError as error:
            raise NoRecording(f"{path} holds no recorded answers: {error}") from error
        except (ValueError, KeyError, TypeError, EOFError) as error:
            raise NoRecording(f"{path} holds no recorded answers: {error!r}") from error
        self.name = path.name
        self.models: Sequence[int] = sorted({model for answers in self._photos.values() for model in answers})

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        for photo in photos:
            yield Expected(photo, self._photos.get(photo.digest, {}))


class Recording:
    """Keeps a candidate's answers, for a later run to be held against. Descriptors are as private as the photos are."""

    def __init__(self) -> None:
        self._photos: dict[str, dict[int, list[Any]]] = {}

    def add(self, photo: Photo, model: int, faces: Sequence[AnsweredFace]) -> None:
        self._photos.setdefault(photo.digest, {})[model] = [
            [face.rectangle, face.confidence, face.landmarks, face.descriptor] for face in faces
        ]

    def save(self, path: Path) -> None:
        """Write all of it, readable by its owner only."""
        with atomic_file(path) as file:
            Path(file.name).chmod(0o600)
            file.write(
                gzip.compress(json.dumps({"format": RECORDED_FORMAT, "photos": self._photos}).encode())
            )


def _face(entry: Any) -> AnsweredFace:
    rectangle, confidence, landmarks, descriptor = entry
    return AnsweredFace(
        Rectangle(*rectangle), confidence, tuple((x, y) for x, y in landmarks), tuple(descriptor)
    )
