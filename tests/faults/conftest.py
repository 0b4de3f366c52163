"""Services that a test may end, and small photos for many requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.processes.running import Service
from tests.calling import Caller
from tests.services import StartService

SMALL_PHOTOS = ("obama2.jpg", "800px-Katherine_Maher.jpg", "astronaut.png", "chelsea.png", "rocket.jpg")


@pytest.fixture(scope="session")
def small_photos(photos: dict[str, Path]) -> list[bytes]:
    return [photos[name].read_bytes() for name in SMALL_PHOTOS]


@contextmanager
def running(start_service: StartService, model: str) -> Iterator[Service]:
    service = start_service(FACE_MODEL=model)
    service.wait_until_ready()
    yield service
    service.close()


@pytest.fixture
def service(start_service: StartService) -> Iterator[Service]:
    """A service of model 4."""
    with running(start_service, "4") as service:
        yield service


@pytest.fixture
def small_service(start_service: StartService) -> Iterator[Service]:
    """A service of model 3, which has no CNN detector and is ready soonest."""
    with running(start_service, "3") as service:
        yield service


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port)
