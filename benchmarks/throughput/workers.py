"""Worker process of a side, so that its memory and CPU time are measured alone, and it shares no GIL."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from benchmarks.harness.closed_loop import Call, Trial, run_closed_loop

if TYPE_CHECKING:  # generic for the type checker alone
    _Line = connection.Connection[Any, Any]
    """End of a pipe: (photos, callers) to the worker, (success, Trial or reason) from it."""

Opener = Callable[..., Call]
"""Module-level function called in the worker: imports and loads the side's libraries, and warms up."""


class WorkerFailed(RuntimeError):
    """A side could not be opened, failed on a photo, or its process died. One line."""

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"{side} {reason}")
        self.side = side


class Worker:
    """Process that opens a side and runs its trials. Call `result` once before the first trial.

    Create it in the main thread, the only one that can change signal handlers.

    Args:
        name: name of the side, for errors.
        opener: opens the side.
        arguments: arguments of the opener.
    """

    def __init__(self, name: str, opener: Opener, *arguments: object) -> None:
        self.name = name
        spawning = multiprocessing.get_context("spawn")
        self.line, others_end = spawning.Pipe()
        # The process has a copy of its end. An open one here would hide its death: no end of file.
        with others_end, _interrupts_ignored():
            self._process = spawning.Process(target=_work, args=(others_end, opener, arguments), daemon=True)
            self._process.start()
        self.pid = self._process.pid or 0

    def trial(self, photos: Sequence[bytes], callers: int) -> Trial:
        """Run a trial. Raises WorkerFailed."""
        self.begin(photos, callers)
        trial: Trial = self.result()
        return trial

    def begin(self, photos: Sequence[bytes], callers: int) -> None:
        """Start a trial, whose `result` must be fetched. Raises WorkerFailed."""
        try:
            self.line.send((photos, callers))
        except OSError:
            raise self._died() from None

    def result(self) -> Any:
        """Wait for the next result: None once after the opening, then one Trial per `begin`. Raises WorkerFailed."""
        try:
            done, result = self.line.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if not done:
            raise WorkerFailed(self.name, f"failed: {result}")
        return result

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self.line.close()
        self._process.close()

    def _died(self) -> WorkerFailed:
        self._process.join()
        return WorkerFailed(self.name, f"died ({self._process.exitcode}): out of memory?")


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started within ignore Ctrl-C from their first instruction on: the parent ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(line: "_Line", opener: Opener, arguments: Sequence[object]) -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the other end was closed
        done, call = _attempt(opener, *arguments)
        line.send((done, None if done else call))
        while done:
            photos, callers = line.recv()
            done, result = _attempt(run_closed_loop, call, photos, callers)
            line.send((done, result))


def _attempt(work: Callable[..., object], *given: object) -> tuple[bool, Any]:
    """(True, result) or (False, error text)."""
    try:
        return True, work(*given)
    except Exception as error:  # dlib's own errors, and std::bad_alloc as a MemoryError without a message
        return False, str(error) or type(error).__name__


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
