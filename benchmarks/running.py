"""The service as a process of its own, as a user runs it."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import httpx

START_SECONDS = 120.0
"""How long a service may take until a photo can be answered; it takes about one second."""


class ServiceDied(RuntimeError):
    """The service ended, or was not ready in time; carries what it printed."""


@contextmanager
def service(environment: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Start `python -m service serve` with these settings on a free port; a client of it that sends the key.

    Raises:
        ServiceDied: it did not come up.
    """
    key = secrets.token_hex(16)
    port = _free_port()
    settings = {**os.environ, **environment, "API_KEY": key, "PORT": str(port), "FACE_HOST": "127.0.0.1"}
    # Into a file: a pipe that nobody reads is full after some hundred requests, and the service would wait for ever.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"], env=settings, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            # No time-out: one photo through dlib's CNN takes minutes, and the app waits as well.
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": key}, timeout=None
            ) as client:
                _wait_until_ready(process, client, output)
                yield client
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", client: httpx.Client, output: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            output.seek(0)
            raise ServiceDied(output.read().decode(errors="replace").strip())
        try:
            if client.get("/ready", timeout=1).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise ServiceDied(f"not ready within {START_SECONDS:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
