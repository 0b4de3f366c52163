"""Fixtures of the tests on a GPU, which are skipped without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.parity.decoded_photos import Photo, decoded
from service.recognition.ort.providers import CUDA, missing
from service.settings import ADVERTISED_AREA

PHOTOS = ("astronaut.png", "obama2.jpg", "800px-Katherine_Maher.jpg", "chelsea.png")
"""Small photos, since dlib takes 6 s per megapixel: faces of several sizes, and a cat."""


@pytest.fixture(scope="session", autouse=True)
def gpu() -> None:
    """Skips the tests of this folder with the reason why CUDA cannot run."""
    lacking = missing(CUDA)
    if lacking is not None:
        pytest.skip(lacking)


@pytest.fixture(scope="session")
def pictures(gpu: None, photos: dict[str, Path]) -> list[Photo]:
    undecodable: list[str] = []
    found = list(decoded([photos[name] for name in PHOTOS], ADVERTISED_AREA, undecodable))
    assert undecodable == []
    return found
