"""A side in a process of its own: its memory and CPU seconds are nobody else's, and no GIL is shared with it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from benchmarks.harness.closed_loop import Call, Turn, closed_loop

if TYPE_CHECKING:  # generic for the type checker alone
    _Line = connection.Connection[Any, Any]
    """An end of a pipe: (photos, callers) one way, (whether it is done, Turn or reason) the other."""

Opener = Callable[..., Call]
"""A function of a module, called in the worker: imports and loads what the side needs, and warms it up."""


class WorkerFailed(RuntimeError):
    """A side could not be opened, failed on a photo or died. One line."""

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"{side} {reason}")
        self.side = side


class Worker:
    """A process that opens a side and takes its turns. `result` has to be called once before the first turn.

    To be made in the main thread: only there can a signal be ignored.

    Args:
        name: the side, as errors name it.
        opener: opens it.
        arguments: for the opener.
    """

    def __init__(self, name: str, opener: Opener, *arguments: object) -> None:
        self.name = name
        spawning = multiprocessing.get_context("spawn")
        self.line, others_end = spawning.Pipe()
        with (
            others_end,
            _interrupts_ignored(),
        ):  # the process has its own end; left open here, no death is heard
            self._process = spawning.Process(target=_work, args=(others_end, opener, arguments), daemon=True)
            self._process.start()
        self.number = self._process.pid or 0
        """The process's."""

    def turn(self, photos: Sequence[bytes], callers: int) -> Turn:
        """Raises WorkerFailed."""
        self.begin(photos, callers)
        turn: Turn = self.result()
        return turn

    def begin(self, photos: Sequence[bytes], callers: int) -> None:
        """Begin a turn, which `result` waits for. Raises WorkerFailed."""
        try:
            self.line.send((photos, callers))
        except OSError:
            raise self._died() from None

    def result(self) -> Any:
        """What the worker did last: a Turn; None, once, when it is open. Raises WorkerFailed."""
        try:
            done, result = self.line.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if not done:
            raise WorkerFailed(self.name, f"failed: {result}")
        return result

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self.line.close()
        self._process.close()

    def _died(self) -> WorkerFailed:
        self._process.join()
        return WorkerFailed(self.name, f"died ({self._process.exitcode}): out of memory?")


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process that starts here ignores Ctrl-C from its first instruction on: who started it decides when it ends."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(line: "_Line", opener: Opener, arguments: Sequence[object]) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the other end was closed
        done, call = _tried(opener, *arguments)
        line.send((done, None if done else call))
        while done:
            photos, callers = line.recv()
            done, result = _tried(closed_loop, call, photos, callers)
            line.send((done, result))


def _tried(work: Callable[..., object], *given: object) -> tuple[bool, Any]:
    """(True, the result), or (False, what was wrong)."""
    try:
        return True, work(*given)
    except Exception as error:  # dlib's own errors, and std::bad_alloc as a MemoryError without a word
        return False, str(error) or type(error).__name__


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
