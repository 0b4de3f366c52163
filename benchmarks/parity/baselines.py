"""Baselines: dlib itself, a trusted running service, or recorded answers."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.harness.faces import AnsweredFace, of_entry
from benchmarks.parity.candidates import Candidate
from benchmarks.parity.decoded_photos import Photo
from benchmarks.parity.reference import Reference, References
from model_store.atomic import atomic_file

RECORDED_FORMAT = 1
"""Format version of a recording's file."""

Answers = Mapping[int, Sequence[AnsweredFace]]
"""Reference faces by model."""


class Expected(NamedTuple):
    """Photo with its reference answers."""

    photo: Photo
    answers: Answers
    """Empty for a photo that the baseline does not have."""
    stages: Reference | None = None
    """Stage results, with dlib as the baseline."""
    pixels: str = ""
    """SHA-256 of the recorded photo's pixels; empty without a recording."""


class Baseline(Protocol):
    """Source of reference answers."""

    name: str
    models: Sequence[int]

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        """Reference answers, in the order of the photos."""


@dataclass
class DlibBaseline:
    """dlib, called directly in its own processes."""

    references: References
    processes: int
    name: str = "dlib"
    models: Sequence[int] = (1, 2, 3, 4)

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        for photo, reference in self.references.of(photos, self.processes):
            yield Expected(photo, reference.models, reference)


class ServiceBaseline:
    """Trusted running service."""

    def __init__(self, candidates: Mapping[int, Candidate], name: str) -> None:
        self.name = name
        self.models: Sequence[int] = list(candidates)
        self._candidates = candidates

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        """The candidate's answer to each photo. Raises candidates.Unanswered."""
        for photo in photos:
            yield Expected(
                photo, {model: candidate.detect(photo) for model, candidate in self._candidates.items()}
            )


class NoRecording(ValueError):
    """A file holds no recorded answers. One line."""


class RecordedBaseline:
    """Answers stored by `Recording`. Raises NoRecording."""

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
            pixels, answers = self._photos.get(_recording_key(photo), ("", {}))
            yield Expected(photo, answers, pixels=pixels)


class Recording:
    """Storage of a candidate's answers as the baseline of later runs. Descriptors are as private as the photos."""

    def __init__(self) -> None:
        self._photos: dict[str, tuple[str, dict[int, list[Any]]]] = {}

    def add(self, photo: Photo, model: int, faces: Sequence[AnsweredFace]) -> None:
        """Store one photo's answer under the digest of its file and its size."""
        _, answers = self._photos.setdefault(_recording_key(photo), (photo.digest, {}))
        answers[model] = [
            [face.rectangle, face.confidence, face.landmarks, face.descriptor] for face in faces
        ]

    def save(self, path: Path) -> None:
        """Write the recording, readable by its owner only."""
        with atomic_file(path) as file:
            Path(file.name).chmod(0o600)
            file.write(
                gzip.compress(json.dumps({"format": RECORDED_FORMAT, "photos": self._photos}).encode())
            )


def _recording_key(photo: Photo) -> str:
    """Key of a recorded photo: its file and size, not its pixels, which depend on the decoder."""
    rows, columns = photo.image.shape[:2]
    return f"{photo.source} {columns}x{rows}"
