"""Who is measured: services over HTTP, as the app talks to them; ours, started for each model, or any that runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import running
from benchmarks.harness.faces import AnsweredFace, of_answer
from benchmarks.harness.http_calls import FILE_NAME
from benchmarks.parity.photos import Photo


class Unanswered(RuntimeError):
    """A photo got another answer than 200 with faces: the app would mark it as failed, for good."""


@dataclass(frozen=True)
class Candidate:
    """A running service."""

    client: httpx.Client

    def detect(self, photo: Photo) -> list[AnsweredFace]:
        """The photo's faces in the answer's order. Raises Unanswered."""
        answer = self._post("/detect", {"file": (FILE_NAME, photo.png(), "application/octet-stream")})
        try:
            return of_answer(answer)
        except (KeyError, TypeError) as error:
            raise Unanswered(f"/detect gave something else: {error!r}") from error

    def compute(self, photo: Photo, face: AnsweredFace) -> AnsweredFace:
        """A known face, described anew. Raises Unanswered."""
        left, top, right, bottom = face.rectangle
        known = {
            "left": left,
            "right": right,
            "top": top,
            "bottom": bottom,
            "detection_confidence": face.confidence,
        }
        parts = {"file": ("photo.png", photo.png(), "image/png"), "face": (None, json.dumps(known))}
        answer = self._post("/compute", parts)
        try:
            (computed,) = of_answer({"faces": [answer["face"]], "faces-count": 1})
        except (KeyError, TypeError) as error:
            raise Unanswered(f"/compute gave something else: {error!r}") from error
        return computed

    def stages(self) -> Mapping[str, Any] | None:
        """Who computes each stage, and how often another engine had to; None where the service does not say."""
        try:
            stages: Mapping[str, Any] = self.client.get("/info").raise_for_status().json()["stages"]
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            return None
        return stages

    def _post(self, path: str, parts: Mapping[str, Any]) -> Any:
        try:
            response = self.client.post(path, files=dict(parts))
        except httpx.TransportError as error:
            raise Unanswered(f"{path}: {error!r}") from error
        if response.status_code != httpx.codes.OK:
            raise Unanswered(f"{path}: {response.status_code} {response.text[:200]}")
        try:
            return response.json()
        except json.JSONDecodeError as error:
            raise Unanswered(f"{path}: no JSON: {error}") from error


@contextmanager
def started(models: Sequence[int], store: Path) -> Iterator[dict[int, Candidate]]:
    """This checkout's service, once for each model. Raises running.ServiceDied."""
    settings = {"FACE_STORE": str(store), "FACE_LOG_LEVEL": "warning"}
    with ExitStack() as stack:
        services = {
            model: stack.enter_context(running.serving({**settings, "FACE_MODEL": str(model)}))
            for model in models
        }
        yield {model: Candidate(client) for model, (_, client) in services.items()}


@contextmanager
def at(url: str, key: str) -> Iterator[dict[int, Candidate]]:
    """The service at this address, which answers as one model.

    Raises:
        Unanswered: it is not there, or does not say which model it is.
    """
    model = model_of(url)
    with running.caller(url, key) as client:
        yield {model: Candidate(client)}


def model_of(url: str) -> int:
    """The FACE_MODEL that a service says it is. Raises Unanswered."""
    try:
        return int(httpx.get(f"{url.rstrip('/')}/welcome").raise_for_status().json()["model"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError) as error:
        raise Unanswered(f"{url}/welcome does not name a model: {error!r}") from error
