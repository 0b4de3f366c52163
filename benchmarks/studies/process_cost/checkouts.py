"""Checkouts of this project as sides: each runs as a service with its own code and interpreter.

The load comes from http.client, not httpx: the measuring threads share the cores with the service. A connection of
httpx takes a millisecond, as long as the differences that are measured.
"""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx

from benchmarks.harness import facts
from benchmarks.harness.closed_loop import Response, run_closed_loop
from benchmarks.harness.http_calls import FILE_NAME
from benchmarks.processes.running import Service, serving
from benchmarks.studies.process_cost.answers import Exchange
from benchmarks.throughput.sides import Side

_BOUNDARY = "5f6c3a8d5e9b4c7f"
_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{FILE_NAME}"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()
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
    def serving(self, model: int, threads: int = 0) -> Iterator[RunningCheckout]:
        """Run this checkout's service with a FACE_MODEL and FACE_THREADS. Raises ServiceDied."""
        environment = {
            "FACE_MODEL": str(model),
            "FACE_THREADS": str(threads),
            "FACE_STORE": os.environ.get("FACE_STORE", str(self.folder / "models")),
            "FACE_LOG_LEVEL": "warning",
            "PYTHONPATH": "",  # each service runs its own code
        }
        command = (str(self.python), "-m", "service", "serve")
        with serving(environment, command, self.folder) as (service, client):
            answers: list[Exchange] = []
            detect = partial(_detect, service.port, client.headers["x-api-key"], answers)
            run = partial(run_closed_loop, detect)
            side = Side(self.name, run, (service.process.pid,), service.ready_after)
            yield RunningCheckout(service, client, side, answers)


def _detect(port: int, key: str, answers: list[Exchange], photo: bytes) -> Response:
    """Send a photo on a new connection, as the app does, and store the body of its answer.

    Any status but 200 is a failure; faces are not parsed.
    """
    headers = {"x-api-key": key, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/detect", b"".join((_HEAD, photo, _TAIL)), headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return Response(failure=repr(error))
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        return Response(failure=f"status {answer.status}")
    answers.append((photo, body))
    return Response()
