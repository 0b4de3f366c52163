"""The service as a process of its own, as a user runs it. Tests start it in this way too."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.harness import processes

ROOT = Path(__file__).parents[2]

SERVE = (sys.executable, "-m", "service", "serve")

START_SECONDS = 300.0
"""How long a service may take until a photo can be answered; it takes about one second."""
STOP_SECONDS = 120.0
LOG_SECONDS = 60.0
READY_PAUSE = 0.01
"""Seconds between two looks at `/ready`: the start takes one to two, and a difference of 50 ms has to show."""
WORKER = "service.worker"
"""The module of the worker process, as its command line names it."""
CONNECT_SECONDS = 30.0
"""A service accepts connections however busy it is: one that takes longer is not there."""


class ServiceDied(RuntimeError):
    """The service ended, or was not ready in time; carries what it printed."""


class Service:
    """`python -m service serve` on a free port.

    Args:
        environment: all of its environment variables; a free port is found where PORT is none of them.
        command: what to run in its place.
        folder: the working directory, this checkout or another one.
        pass_fds: file descriptors that it inherits beside the standard ones.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        command: Sequence[str] = SERVE,
        folder: Path = ROOT,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.port = int(environment.get("PORT") or free_port())
        self.ready_after: float | None = None
        """Seconds from the start until a photo could be answered; None before `wait_until_ready` has returned."""
        self._started = time.monotonic()
        # A pipe that a thread empties: an unread one is full after some hundred requests, and the service
        # would wait for ever; and a file is what some tests forbid the process to write.
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PORT": str(self.port)},
            pass_fds=pass_fds,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.lines.extend(iter(lines.readline, ""))

    @property
    def log(self) -> str:
        """What the service has printed."""
        return "".join(self.lines)

    def wait_until_ready(self) -> None:
        """Return as soon as a photo can be answered. Raises ServiceDied."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=START_SECONDS) as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    self._reader.join()
                    raise ServiceDied(self.log.strip())
                try:
                    if client.get("/ready").status_code == httpx.codes.OK:
                        self.ready_after = time.monotonic() - self._started
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(READY_PAUSE)
        raise ServiceDied(f"not ready within {START_SECONDS:.0f} s: {self.log}")

    def wait_for_log(self, text: str) -> None:
        """Returns once this was logged; a request's line is written just after its answer."""
        deadline = time.monotonic() + LOG_SECONDS
        while text not in self.log:
            if time.monotonic() > deadline:
                raise ServiceDied(f"{text!r} was not logged within {LOG_SECONDS:.0f} s: {self.log}")
            time.sleep(0.02)

    def peak_memory(self, *, forget: bool = False) -> float:
        """MiB of the process tree at its peak, as `processes.peak_memory` counts it. Linux only."""
        return processes.peak_memory(self.process.pid, forget=forget)

    def family(self) -> tuple[int, ...]:
        """Process numbers of the service's tree, its own first and parents before their children. Linux only."""
        return processes.family(self.process.pid)

    @property
    def worker_pid(self) -> int:
        """The process that recognises photos: the worker, or the service itself where it has none. Linux only.

        The worker is found by its command line, which processes that it forks share: the first one is their parent.
        """
        workers = (member for member in self.family() if WORKER in processes.command_line(member))
        return next(workers, self.process.pid)

    def stop(self) -> int:
        """SIGTERM, as docker sends it; the exit status once everything in flight is answered."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit status, as soon as there is one."""
        status = self.process.wait(STOP_SECONDS)
        self._reader.join()
        return status

    def close(self) -> None:
        """Leaves no process behind, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.wait()


@contextmanager
def serving(
    environment: Mapping[str, str], command: Sequence[str] = SERVE, folder: Path = ROOT
) -> Iterator[tuple[Service, httpx.Client]]:
    """Start the service with these settings beside those of this process; a client of it that sends the key.

    Args:
        environment: the settings.
        command: what to run, with the interpreter of another checkout for one.
        folder: this checkout, or another one.

    Raises:
        ServiceDied: it did not come up.
    """
    key = secrets.token_hex(16)
    inherited = {name: value for name, value in os.environ.items() if name != "PORT"}  # one for each is found
    settings = {**inherited, **environment, "API_KEY": key, "FACE_HOST": "127.0.0.1"}
    running = Service(settings, command, folder)
    try:
        running.wait_until_ready()
        with caller(f"http://127.0.0.1:{running.port}", key) as client:
            yield running, client
        running.stop()
    finally:
        running.close()


def caller(address: str, key: str) -> httpx.Client:
    """A client that sends the key and, as the app does, makes a connection for each call and waits for any answer."""
    return httpx.Client(
        base_url=address,
        headers={"x-api-key": key},
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # one photo through dlib's CNN takes minutes
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


def free_port() -> int:
    """A TCP port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
