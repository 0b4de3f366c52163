"""A real GPU, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.parity.photos import Photo, decoded
from model_store.models import MODELS
from service.recognition.engines.device_precision import FLOAT32
from service.recognition.factory import open_recognizer
from service.recognition.ort.providers import CUDA, missing
from service.recognition.recognizer import Recognizer
from service.settings import ADVERTISED_AREA

PHOTOS = ("astronaut.png", "obama2.jpg", "800px-Katherine_Maher.jpg", "chelsea.png")
"""Small ones, since dlib takes 6 s for a megapixel: faces of several sizes, and a cat."""


@pytest.fixture(scope="session", autouse=True)
def gpu() -> None:
    """Skips all of this folder, and says what is missing, where CUDA cannot run."""
    lacking = missing(CUDA)
    if lacking is not None:
        pytest.skip(lacking)


@pytest.fixture(scope="session")
def pictures(gpu: None, photos: dict[str, Path]) -> list[Photo]:
    undecodable: list[str] = []
    found = list(decoded([photos[name] for name in PHOTOS], ADVERTISED_AREA, undecodable))
    assert undecodable == []
    return found


@contextmanager
def opened(
    model: int, store: Path, *, engine: str = "onnx", provider: str = "cuda", precision: str = FLOAT32
) -> Iterator[Recognizer]:
    recognizer = open_recognizer(
        MODELS[model], store, engine=engine, workers=2, provider=provider, precision=precision
    )
    try:
        yield recognizer
    finally:
        recognizer.close()
