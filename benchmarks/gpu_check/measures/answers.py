"""Answers of the CPU and of dlib to the photos, and the comparison of a provider's answers with them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from benchmarks.gpu_check.schema import Parity
from benchmarks.harness import facts, http_calls
from benchmarks.harness.faces import AnsweredFace
from benchmarks.parity.candidates import Candidate, Unanswered
from benchmarks.parity.comparison import Comparison, finite
from benchmarks.parity.decoded_photos import Photo
from benchmarks.parity.part import DLIB_BYTES_PER_PIXEL, MEMORY_SHARE
from benchmarks.parity.reference import WEIGHTS, References
from model_store.store import WeightStore
from service.recognition.compute.core_count import usable_processors

CALLERS = 4
"""Photos of the comparison that are sent at once, so that a device computes some of them in one batch."""

Faces = Sequence[AnsweredFace] | str
"""Faces of a photo, or the reason why it has no answer."""
Against = Literal["cpu", "dlib"]


@dataclass
class Expected:
    """Answers that a provider's have to equal, by model, in the order of the photos."""

    photos: Sequence[Photo]
    cpu: dict[int, list[Faces]] = field(default_factory=dict)
    dlib: Mapping[int, list[Faces]] = field(default_factory=dict)

    def compared(self, model: int, precision: str, faces: Sequence[Faces], *, is_cpu: bool) -> list[Parity]:
        """Comparison with the CPU, unless the answers are the CPU's in float32, and with dlib."""
        sides: tuple[tuple[Against, Mapping[int, list[Faces]]], ...] = (
            ("cpu", {} if is_cpu and precision == "float32" else self.cpu),
            ("dlib", self.dlib),
        )
        return [
            compare(self.photos, model, precision, against, faces, expected[model])
            for against, expected in sides
            if model in expected
        ]


def answers(candidate: Candidate, photos: Sequence[Photo]) -> list[Faces]:
    """Answers of a service to the photos, which `CALLERS` callers send."""

    def answer(photo: Photo) -> Faces:
        try:
            return candidate.detect(photo)
        except Unanswered as error:
            return str(error)

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(answer, photos))


def answered(candidate: Candidate, upload: bytes) -> None:
    """Send an encoded photo. Raises Unanswered for any answer but 200."""
    reply = http_calls.post(candidate.client, upload)
    if reply.status_code != httpx.codes.OK:
        raise Unanswered(f"/detect: {reply.status_code} {reply.text[:200]}")


def dlib_processes(megapixels: float) -> int:
    """Number of dlib processes: one per core, as far as memory allows."""
    memory = MEMORY_SHARE * facts.available_memory() / (DLIB_BYTES_PER_PIXEL * megapixels * 1e6)
    return max(min(usable_processors(), int(memory)), 1)


def by_dlib(photos: Sequence[Photo], store: Path, cache: Path, processes: int) -> dict[int, list[Faces]]:
    """Answers of dlib for all models, computed in this number of processes, or kept in the cache.

    Raises:
        ModuleNotFoundError: dlib is not installed.
        DlibDied: a process of it died.
    """
    weights = WeightStore(store)
    references = References(cache, {name: weights.path(name) for name in WEIGHTS})
    found: dict[int, list[Faces]] = {}
    for _, reference in references.of(photos, processes):
        for model, faces in reference.models.items():
            found.setdefault(model, []).append(faces)
    return found


def compare(
    photos: Sequence[Photo],
    model: int,
    precision: str,
    against: Against,
    faces: Sequence[Faces],
    expected: Sequence[Faces],
) -> Parity:
    """Comparison of one model's answers. A photo that the expected side did not answer counts as failed."""
    comparison = Comparison()
    for photo, found, truth in zip(photos, faces, expected, strict=True):
        if isinstance(truth, str):
            comparison.fail(photo.name, truth, ())
        elif isinstance(found, str):
            comparison.fail(photo.name, found, truth)
        else:
            comparison.add(photo.name, found, truth)
    return Parity(
        model=model,
        precision=precision,
        against=against,
        photos=comparison.photos,
        faces=comparison.faces,
        failed=comparison.failed,
        faces_differing=comparison.moved,
        landmarks_differing=comparison.landmarks,
        confidence_difference=finite(comparison.confidence),
        descriptor_difference=finite(comparison.descriptor),
    )
