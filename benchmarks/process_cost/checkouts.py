"""Two checkouts of this project as sides: each one's own code and interpreter, started as a service."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import facts
from benchmarks.process_cost.calls import Calls
from benchmarks.running import Service
from benchmarks.throughput.sides import Side
from benchmarks.throughput.turns import closed_loop

READY_PAUSE = 0.01
"""Seconds between two looks at `/ready`: the start takes some 2 s, and a difference of 50 ms has to show."""
_VERSIONS = "import json; from service.versions import versions; print(json.dumps(versions()))"
_LEFT_OUT = ("PORT", "PYTHONPATH")
"""Of this process's environment: each service has its own port and its own code."""


@dataclass(frozen=True)
class Running:
    """A checkout's service, ready for photos."""

    service: Service
    calls: Calls
    side: Side
    """Takes turns; its memory and CPU time are those of the service's process tree."""


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
        key = secrets.token_hex(16)
        inherited = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
        settings = {"API_KEY": key, "FACE_HOST": "127.0.0.1", "FACE_MODEL": str(model)}
        quiet = {"FACE_STORE": str(self.folder / "models"), "FACE_LOG_LEVEL": "warning"}
        command = (str(self.python), "-m", "service", "serve")
        start = time.monotonic()
        service = Service({**quiet, **inherited, **settings}, command, self.folder)
        try:
            service.wait_until_ready(READY_PAUSE)
            ready = time.monotonic() - start
            calls = Calls(service.port, key)
            run = partial(closed_loop, calls.detect)
            yield Running(service, calls, Side(self.name, run, (service.process.pid,), ready))
            service.stop()
        finally:
            service.close()
