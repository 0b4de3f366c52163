"""The worker as a child process of this one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from service import ipc
from service.early_exit import children

COMMAND: Sequence[str] = (sys.executable, "-m", "service.worker")
"""To which the number of the connection's descriptor and the process id of the parent are added."""

SECRETS = ("API_KEY",)
"""Variables of the environment that the worker does not get."""

LOW_MEMORY_SETTINGS = {"GUNICORN_WORKERS": "1", "FACE_THREADS": "1"}
"""Settings with which a photo takes the least memory."""

FIRST_PROCESS = 1
"""Process id of a container's first process, which becomes the parent of all orphans (pid_namespaces(7))."""


class WorkerProcess(Protocol):
    """A worker that has been started."""

    connection: socket.socket
    """To it, with the messages of `service.messages`."""

    def kill(self) -> None:
        """Ends the process at once."""

    async def ended(self) -> int:
        """Waits for the end: the exit status, or the negative number of a signal."""


class _Child:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.connection, others = ipc.pair()
        first = os.getpid() == FIRST_PROCESS
        if first:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the status of this worker is for `ended`
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


def launch_worker(*, low_memory: bool, command: Sequence[str] | None = None) -> WorkerProcess:
    """Starts a worker, by COMMAND where no other is given. Raises OSError.

    `smallest`: for one photo that takes as little memory as possible.
    """
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return _Child(command or COMMAND, environment | (LOW_MEMORY_SETTINGS if low_memory else {}))


def launch_ahead() -> Callable[..., WorkerProcess]:
    """A function like `launch_worker`, whose first worker is started by now. Raises OSError."""
    ahead = [launch_worker(low_memory=False)]

    def launch(*, low_memory: bool) -> WorkerProcess:
        return ahead.pop() if ahead and not low_memory else launch_worker(low_memory=low_memory)

    return launch


def _collect_orphans(worker: int) -> None:
    """From now on, collects the status of each child that ends, but of the worker: what the one before has left.

    These end a moment after the worker (service/ipc/parent_death.py), and would stay as zombies.
    """

    def collect(*_: object) -> None:
        for child in children():
            if child != worker:
                with suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)

    signal.signal(signal.SIGCHLD, collect)
    collect()
