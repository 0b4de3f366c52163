"""The service as a child process, started as a user starts it. The tests use it as well."""

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

from benchmarks.processes import process_tree

ROOT = Path(__file__).parents[2]

SERVE = (sys.executable, "-m", "service", "serve")

START_SECONDS = 300.0
"""Deadline for a service to become ready; the usual start takes about one second."""
STOP_SECONDS = 120.0
"""Deadline for the exit of a service."""
LOG_SECONDS = 60.0
"""Deadline for a text to appear in the log."""
READY_PAUSE = 0.01
"""Seconds between two polls of `/ready`: a start takes one to two, and a difference of 50 ms must be measurable."""
WORKER = "service.worker"
"""Module of the worker process in its command line."""
CONNECT_SECONDS = 30.0
"""Timeout to connect: even a busy service accepts connections at once."""


class ServiceDied(RuntimeError):
    """The service ended, or was not ready in time; the message holds its output."""


class Service:
    """`python -m service serve` on a free port.

    Args:
        environment: all its environment variables; without PORT, a free port is chosen.
        command: the command to run.
        folder: the working directory, this checkout or another one.
        pass_fds: file descriptors to inherit in addition to the standard ones.
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
        """Seconds from the start until `/ready` succeeded; None before `wait_until_ready` has returned."""
        self._started = time.monotonic()
        # A thread empties the pipe: a full one, after some hundred requests, would block the service for ever. Not a
        # file, since some tests forbid the process to write files.
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
        """Standard error of the service so far."""
        return "".join(self.lines)

    def wait_until_ready(self) -> None:
        """Return as soon as `/ready` succeeds. Raises ServiceDied."""
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
        """Return once this text was logged; a request is logged just after its answer. Raises ServiceDied."""
        deadline = time.monotonic() + LOG_SECONDS
        while text not in self.log:
            if time.monotonic() > deadline:
                raise ServiceDied(f"{text!r} was not logged within {LOG_SECONDS:.0f} s: {self.log}")
            time.sleep(0.02)

    def peak_memory(self, *, forget: bool = False) -> float:
        """Peak memory of the process tree in MiB, by `process_tree.peak_memory`. Linux only."""
        return process_tree.peak_memory(self.process.pid, forget=forget)

    def family(self) -> tuple[int, ...]:
        """Process IDs of the service's tree, its own first and parents before children. Linux only."""
        return process_tree.family(self.process.pid)

    @property
    def worker_pid(self) -> int:
        """Process ID of the worker, or of the service itself if it has none. Linux only.

        The worker is found by its command line. Its forked children have the same command line; the first match is the
        parent.
        """
        workers = (member for member in self.family() if WORKER in process_tree.command_line(member))
        return next(workers, self.process.pid)

    def stop(self) -> int:
        """Send SIGTERM, as Docker does, and return the exit status after the graceful shutdown."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the exit status."""
        status = self.process.wait(STOP_SECONDS)
        self._reader.join()
        return status

    def close(self) -> None:
        """Kill the process tree if the process still runs."""
        if self.process.poll() is None:
            process_tree.kill(self.process.pid)  # processes of other servers outlive their parent
            self.wait()


@contextmanager
def serving(
    environment: Mapping[str, str], command: Sequence[str] = SERVE, folder: Path = ROOT
) -> Iterator[tuple[Service, httpx.Client]]:
    """Start the service with these settings in addition to this process's; yields it with an authenticated client.

    Args:
        environment: the settings.
        command: the command to run, for example with the interpreter of another checkout.
        folder: this checkout, or another one.

    Raises:
        ServiceDied: it did not become ready.
    """
    key = secrets.token_hex(16)
    running = Service(with_settings(environment, key), command, folder)
    try:
        running.wait_until_ready()
        with http_client(f"http://127.0.0.1:{running.port}", key) as client:
            yield running, client
        running.stop()
    finally:
        running.close()


def with_settings(settings: Mapping[str, str], key: str) -> dict[str, str]:
    """This process's environment with these settings and the key, for services on the loopback interface.

    It lacks PORT: each service gets a free one.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PORT"}
    return {**inherited, **settings, "API_KEY": key, "FACE_HOST": "127.0.0.1"}


def http_client(address: str, key: str) -> httpx.Client:
    """Client that sends the key, opens one connection per request as the app does, and has no read timeout."""
    return httpx.Client(
        base_url=address,
        headers={"x-api-key": key},
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # one photo through dlib's CNN takes minutes
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


def free_port() -> int:
    """Free TCP port on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
