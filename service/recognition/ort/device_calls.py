"""Calls of a device in progress, so that a watch of the process can tell one that hangs.

A driver may wait for a device forever. Its call cannot be cancelled; the process has to end. ONNX Runtime releases the
GIL during a run and while it makes a session, so that a thread of Python can watch them.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_numbers = itertools.count()
_in_progress: set[int] = set()
_changing = threading.Lock()


@contextmanager
def recorded() -> Iterator[None]:
    """Record a call of a device as in progress. Safe in many threads at once."""
    number = next(_numbers)
    with _changing:
        _in_progress.add(number)
    try:
        yield
    finally:
        with _changing:
            _in_progress.remove(number)


def in_progress() -> frozenset[int]:
    """Number of each call in progress; no two calls have the same one."""
    with _changing:
        return frozenset(_in_progress)
