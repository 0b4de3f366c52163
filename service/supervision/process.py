"""The worker as a child process: start, environment, and exit status."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from service import ipc
from service.early_exit import children
from service.messages import QUARANTINE

COMMAND: Sequence[str] = (sys.executable, "-m", "service.worker")
"""Command line, without its two arguments: descriptor of the connection, and process id of the parent."""

WITHHELD = (
    *("API_KEY", "FACE_METRICS_KEY"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    QUARANTINE,
)
"""Environment variables that a worker does not inherit: secrets, and one that the supervisor alone may set."""

LOW_MEMORY_SETTINGS = {
    "GUNICORN_WORKERS": "1",
    "FACE_THREADS": "1",
    "FACE_PRECISION": "float32",
    "FACE_PROVIDERS": "cpu",
}
"""Settings with which a photo takes the least memory: one photo at a time, one thread, and no device, which may share
the machine's memory."""

WITHOUT_SCAN_SETTINGS = {"FACE_PRECISION": "float32"}
"""Settings of each worker that follows one whose scan has stopped itself."""

ON_CPU_SETTINGS = {"FACE_PROVIDERS": "cpu"}
"""Settings of each worker during the quarantine of a device."""

FIRST_PROCESS = 1
"""Process id of a container's first process, the parent of all orphans (pid_namespaces(7))."""


class WorkerProcess(Protocol):
    """A started worker."""

    connection: socket.socket
    """Connection to the worker, for the messages of `service.messages`."""

    def kill(self) -> None:
        """Kill the process."""

    async def ended(self) -> int:
        """Wait for the exit, and return the exit status, or the negative number of a signal."""


class _Child:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.connection, others = ipc.pair()
        # Signal handlers are installed in the main thread alone; another server may run the event loop elsewhere.
        first = os.getpid() == FIRST_PROCESS and threading.current_thread() is threading.main_thread()
        if first:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # `ended` collects the status of this worker
        with others:
            try:
                self._process = subprocess.Popen(
                    [*command, str(others.fileno()), str(os.getpid())],
                    pass_fds=[others.fileno()],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                )
            except BaseException:
                self.connection.close()
                raise
        if first:
            _collect_orphans(self._process.pid)

    def kill(self) -> None:
        self._process.kill()

    async def ended(self) -> int:
        return await asyncio.to_thread(self._process.wait)


def launch_worker(
    *,
    low_memory: bool,
    without_scan: bool = False,
    quarantine: str | None = None,
    command: Sequence[str] | None = None,
) -> WorkerProcess:
    """Start a worker, by COMMAND unless another one is given. Raises OSError.

    `low_memory`: with LOW_MEMORY_SETTINGS, for a photo that exhausted the memory before. `without_scan`: with
    WITHOUT_SCAN_SETTINGS. `quarantine`: with ON_CPU_SETTINGS, for this reason in one line.
    """
    environment = {name: value for name, value in os.environ.items() if name not in WITHHELD}
    environment |= LOW_MEMORY_SETTINGS if low_memory else {}
    environment |= WITHOUT_SCAN_SETTINGS if without_scan else {}
    environment |= ON_CPU_SETTINGS | {QUARANTINE: quarantine} if quarantine else {}
    return _Child(command or COMMAND, environment)


def launch_ahead() -> Callable[..., WorkerProcess]:
    """Start a worker now. The returned function is `launch_worker`, but returns this worker first. Raises OSError."""
    ahead = [launch_worker(low_memory=False)]

    def launch(*, low_memory: bool, without_scan: bool, quarantine: str | None) -> WorkerProcess:
        if ahead and not low_memory and not without_scan and not quarantine:
            return ahead.pop()
        return launch_worker(low_memory=low_memory, without_scan=without_scan, quarantine=quarantine)

    return launch


def _collect_orphans(worker: int) -> None:
    """Reap every exited child except the worker, from now on: orphans of the previous worker.

    The orphans exit a moment after that worker (service/ipc/parent_death.py), and would stay as zombies.
    """

    def collect(*_: object) -> None:
        for child in children():
            if child != worker:
                with suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)

    signal.signal(signal.SIGCHLD, collect)
    collect()
