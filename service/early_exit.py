"""Exit at a signal that arrives before the server runs: at once, with no child process and no temporary file left.

The kernel drops a signal for process 1 of a container that has no handler (pid_namespaces(7)): `docker stop` would wait
its whole grace period. So the handlers are installed before anything that takes time to import. They end the process
where it stands. An exception would be swallowed by imports and by callbacks from C, and the interpreter's own end waits
for its threads. Python calls a handler between two instructions of the main thread: within 0.15 s, measured while the
loops were compiled and the sessions created.
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
"""Signals that end the service."""

TASKS = Path("/proc/self/task")
"""One folder a thread, with the ids of the children that it started (proc(5))."""


def on_signals(*, serving: bool) -> None:
    """From now on SIGNALS end the process: with status 0 where it serves, since no photo is in work yet, or as a shell
    reports a signal."""

    def stop(number: int, frame: FrameType | None) -> None:
        exit_now(0 if serving else 128 + number)

    for number in SIGNALS:
        signal.signal(number, stop)


def ignore_signals() -> None:
    """From now on SIGNALS have no effect on this process, nor on the programs that it executes."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_now(status: int) -> NoReturn:
    """Ends this process, whatever its threads are doing, and its children."""
    ignore_signals()
    # Not imported here: where it has not been imported yet, no file has been begun.
    if atomic := sys.modules.get("model_store.atomic"):
        atomic.discard_unfinished()
    for child in children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os._exit(status)


def children() -> list[int]:
    """Process ids of the children of this process, ended ones too whose status is not collected.

    Also of one that is being started, which `multiprocessing` does not list yet.
    Empty without /proc: children notice by themselves that this process has ended.
    """
    found: list[int] = []
    for thread in TASKS.glob("*/children"):
        with suppress(OSError):  # the thread has ended
            found += map(int, thread.read_text(encoding="ascii").split())
    return found
