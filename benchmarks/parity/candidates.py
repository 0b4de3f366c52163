"""Candidates: services called over HTTP as the app calls them; this checkout's, one per model, or a running one."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness.faces import AnsweredFace, of_answer
from benchmarks.harness.http_calls import FILE_NAME
from benchmarks.parity.decoded_photos import Photo
from benchmarks.processes import running
from model_store import manifest
from model_store.models import SCANNING_DETECTOR
from service.recognition.engines.precisions import MIXED
from service.recognition.ort import providers


class Unanswered(RuntimeError):
    """Any answer but 200 with faces: the app would permanently mark the photo as failed."""


@dataclass(frozen=True)
class Candidate:
    """Running service under test."""

    client: httpx.Client

    def detect(self, photo: Photo) -> list[AnsweredFace]:
        """Faces of `/detect`, in the answer's order. Raises Unanswered."""
        answer = self._post("/detect", {"file": (FILE_NAME, photo.png(), "application/octet-stream")})
        try:
            return of_answer(answer)
        except (KeyError, TypeError) as error:
            raise Unanswered(f"/detect: malformed answer: {error!r}") from error

    def compute(self, photo: Photo, face: AnsweredFace) -> AnsweredFace:
        """Answer of `/compute` for a known face. Raises Unanswered."""
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
            raise Unanswered(f"/compute: malformed answer: {error!r}") from error
        return computed

    def info(self) -> Mapping[str, Any]:
        """`/info`; empty if the service has none."""
        try:
            found = self.client.get("/info").raise_for_status().json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

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
            raise Unanswered(f"{path}: invalid JSON: {error}") from error


def own_settings(store: Path) -> dict[str, str]:
    """Settings of this checkout's services, in addition to the environment.

    Each photo is computed in float32 beside the scan in int8, which stops if a score above the threshold differs. On a
    CPU, the scan is compared even if it saves no time there, unless the store lacks its graph, which is optional, or
    the environment has FACE_PRECISION.
    """
    name = os.environ.get("FACE_PROVIDERS", providers.AUTO).lower()
    settings = {"FACE_STORE": str(store), "FACE_LOG_LEVEL": "warning", "FACE_SCAN_CHECK": "1"}
    on_cpu = providers.first_complete(name).device is None
    can_scan = manifest.manifest_path(store, SCANNING_DETECTOR).exists()
    if on_cpu and can_scan and "FACE_PRECISION" not in os.environ:
        settings["FACE_PRECISION"] = MIXED
    return settings


@contextmanager
def started(models: Sequence[int], store: Path) -> Iterator[dict[int, Candidate]]:
    """Start this checkout's service once per model, with `own_settings`. Raises running.ServiceDied."""
    settings = own_settings(store)
    with ExitStack() as stack:
        services = {
            model: stack.enter_context(running.serving({**settings, "FACE_MODEL": str(model)}))
            for model in models
        }
        yield {model: Candidate(client) for model, (_, client) in services.items()}


@contextmanager
def at(url: str, key: str) -> Iterator[dict[int, Candidate]]:
    """Running service at this URL, which has one model.

    Raises:
        Unanswered: it is unreachable or does not report its model.
    """
    model = model_of(url)
    with running.http_client(url, key) as client:
        yield {model: Candidate(client)}


def model_of(url: str) -> int:
    """FACE_MODEL that a service reports. Raises Unanswered."""
    try:
        return int(httpx.get(f"{url.rstrip('/')}/welcome").raise_for_status().json()["model"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError) as error:
        raise Unanswered(f"{url}/welcome does not name a model: {error!r}") from error
