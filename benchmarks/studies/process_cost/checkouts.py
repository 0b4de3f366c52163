"""Checkouts of this project as sides: each runs as a service with its own code and interpreter."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from benchmarks.harness import facts
from benchmarks.harness.closed_loop import Response, run_closed_loop
from benchmarks.harness.http_calls import post
from benchmarks.processes.running import Service, serving
from benchmarks.studies.process_cost.answers import Exchange
from benchmarks.throughput.sides import Side

_VERSIONS = "import json; from service.versions import versions; print(json.dumps(versions()))"


@dataclass(frozen=True)
class RunningCheckout:
    """Ready service of a checkout."""

    service: Service
    client: httpx.Client
    side: Side
    """Runs trials; its memory and CPU time are those of the service's process tree."""
    answers: list[Exchange]
    """Photos with their answers, in the order of the answers."""


@dataclass(frozen=True)
class Checkout:
    """Folder with this project and an environment in `.venv`."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """Interpreter. The symbolic link is not resolved, since it selects the environment."""
        return self.folder / ".venv" / "bin" / "python"

    def versions(self) -> dict[str, str]:
        """Commit, and versions of the service and its libraries. Raises subprocess.CalledProcessError."""
        command = [str(self.python), "-c", _VERSIONS]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return {"commit": facts.commit(self.folder) or "unknown", **json.loads(done.stdout)}

    @contextmanager
    def serving(self, model: int) -> Iterator[RunningCheckout]:
        """Run this checkout's service with a FACE_MODEL. Raises ServiceDied."""
        environment = {
            "FACE_MODEL": str(model),
            "FACE_STORE": os.environ.get("FACE_STORE", str(self.folder / "models")),
            "FACE_LOG_LEVEL": "warning",
            "PYTHONPATH": "",  # each service runs its own code
        }
        command = (str(self.python), "-m", "service", "serve")
        with serving(environment, command, self.folder) as (service, client):
            answers: list[Exchange] = []
            run = partial(run_closed_loop, partial(_detect, client, answers))
            side = Side(self.name, run, (service.process.pid,), service.ready_after)
            yield RunningCheckout(service, client, side, answers)


def _detect(client: httpx.Client, answers: list[Exchange], photo: bytes) -> Response:
    """Send a photo and store the body of its answer. Any status but 200 is a failure; faces are not parsed."""
    try:
        answer = post(client, photo)
    except httpx.TransportError as error:
        return Response(failure=repr(error))
    if answer.status_code != httpx.codes.OK:
        return Response(failure=f"status {answer.status_code}")
    answers.append((photo, answer.content))
    return Response()
