"""Exit at a signal that arrives before the server runs: at once, leaving no child process and no temporary file.

The kernel drops a signal for process 1 of a container if it has no handler (pid_namespaces(7)): `docker stop` would
wait its whole grace period. So the handlers are installed before the slow imports. They end the process immediately. An
exception instead would be swallowed by imports and by callbacks from C, and a regular exit of the interpreter waits for
its threads. Python calls a handler between two instructions of the main thread. The delay was at most 0.15 s, measured
while numba compiled the loops and ONNX Runtime created the sessions.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

SIGNALS = tuple(
    number
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    # nohup(1) starts a process with SIGHUP ignored, so that it outlives its terminal.
    if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
)
"""Signals that stop the service."""

TASKS = Path("/proc/self/task")
"""A folder for each thread, whose file `children` has the ids of the processes that the thread started (proc(5))."""


def on_signals(*, serving: bool) -> None:
    """Install handlers that end the process.

    The exit status is 0 for the command `serve`, since no photo is in work yet, else 128 + signal as in a shell.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        exit_now(0 if serving else 128 + number)

    for number in SIGNALS:
        signal.signal(number, stop)


def ignore_signals() -> None:
    """Ignore SIGNALS in this process, and in the programs that it executes."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_now(status: int) -> NoReturn:
    """Kill the children and end this process without waiting for its threads."""
    ignore_signals()
    # Not imported here: if the module is not loaded, no temporary file exists.
    if atomic := sys.modules.get("model_store.atomic"):
        atomic.discard_unfinished()
    for child in children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os._exit(status)


def children() -> list[int]:
    """Process ids of all child processes, including zombies.

    Empty without /proc: children detect the end of this process by themselves.
    """
    found: list[int] = []
    for thread in TASKS.glob("*/children"):
        with suppress(OSError):  # the thread has ended
            found += map(int, thread.read_text(encoding="ascii").split())
    return found
