"""Two checkouts of this project as sides: each one's own code and interpreter, started as a service."""

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
from benchmarks.harness.closed_loop import Answer, closed_loop
from benchmarks.harness.http_calls import post
from benchmarks.harness.running import Service, serving
from benchmarks.studies.process_cost.answers import Given
from benchmarks.throughput.sides import Side

_VERSIONS = "import json; from service.versions import versions; print(json.dumps(versions()))"


@dataclass(frozen=True)
class Running:
    """A checkout's service, ready for photos."""

    service: Service
    client: httpx.Client
    side: Side
    """Takes turns; its memory and CPU time are those of the service's process tree."""
    answers: list[Given]
    """Every photo that was answered, with the body of the answer, in the order of the answers."""


@dataclass(frozen=True)
class Checkout:
    """A folder with this project and an environment in `.venv`."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter. Not resolved: the link itself is what selects the environment."""
        return self.folder / ".venv" / "bin" / "python"

    def versions(self) -> dict[str, str]:
        """The commit, and versions of the service and its libraries. Raises subprocess.CalledProcessError."""
        command = [str(self.python), "-c", _VERSIONS]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return {"commit": facts.commit(self.folder) or "unknown", **json.loads(done.stdout)}

    @contextmanager
    def serving(self, model: int) -> Iterator[Running]:
        """The service of this checkout with a FACE_MODEL. Raises ServiceDied."""
        environment = {
            "FACE_MODEL": str(model),
            "FACE_STORE": os.environ.get("FACE_STORE", str(self.folder / "models")),
            "FACE_LOG_LEVEL": "warning",
            "PYTHONPATH": "",  # each service has its own code
        }
        command = (str(self.python), "-m", "service", "serve")
        with serving(environment, command, self.folder) as (service, client):
            answers: list[Given] = []
            run = partial(closed_loop, partial(_detect, client, answers))
            side = Side(self.name, run, (service.process.pid,), service.ready_after)
            yield Running(service, client, side, answers)


def _detect(client: httpx.Client, answers: list[Given], photo: bytes) -> Answer:
    """Post a photo and keep the body of its answer. Anything but 200 is a failure; faces are not read."""
    try:
        answer = post(client, photo)
    except httpx.TransportError as error:
        return Answer(failure=repr(error))
    if answer.status_code != httpx.codes.OK:
        return Answer(failure=f"status {answer.status_code}")
    answers.append((photo, answer.content))
    return Answer()
