"""Real answers of the service have exactly the documented fields."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes.running import Service
from tests.calling import Caller, Part
from tests.document import violations
from tests.services import StartService

FACE = b'{"left":102,"right":"175","top":167.0,"bottom":240,"detection_confidence":1.1,"id":7}'


@pytest.fixture(scope="module", params=["2", "3"])
def other(request: pytest.FixtureRequest, start_service: StartService) -> Service:
    """A service of a model with 68 landmarks, and of the one with HOG."""
    running = start_service(FACE_MODEL=request.param)
    running.wait_until_ready()
    return running


def conforming(caller: Caller, path: str, *parts: Part) -> Any:
    """The answer, whose status is 200, as JSON."""
    reply = caller.post(path, *parts) if parts else caller.get(path)
    assert reply.status == 200
    found = violations("POST" if parts else "GET", path, reply.status, reply.headers, reply.body)
    assert found == []
    return reply.json if reply.headers["content-type"] == "application/json" else None


def check(caller: Caller, photos: dict[str, Path]) -> None:
    portrait, without_face = photos["obama2.jpg"].read_bytes(), photos["coffee.png"].read_bytes()
    for path in ("/open", "/welcome", "/ready", "/info", "/health", "/metrics", "/openapi.json", "/docs"):
        conforming(caller, path)
    assert conforming(caller, "/detect", caller.photo(portrait))["faces-count"] == 1
    assert conforming(caller, "/detect", caller.photo(without_face))["faces-count"] == 0
    assert conforming(caller, "/compute", caller.photo(portrait), caller.face(FACE))["face"]["id"] == 7
    assert conforming(caller, "/info")["worker"]["restrictions"]["decoders"] is not None


def test_answers_of_model_4(caller: Caller, photos: dict[str, Path]) -> None:
    check(caller, photos)


def test_answers_of_models_2_and_3(other: Service, photos: dict[str, Path]) -> None:
    check(Caller(other.port), photos)


def test_refused_keys_conform(caller: Caller) -> None:
    reply = replace(caller, key_header=b"x-api-key: wrong").get("/info")
    assert reply.status == 401
    assert violations("GET", "/info", 401, reply.headers, reply.body) == []
