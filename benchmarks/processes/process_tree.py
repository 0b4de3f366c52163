"""Memory and CPU time of a process tree, read from /proc (proc(5), Linux).

A tree is a process with all its descendants. Its memory is the sum of the resident sets, less pages that several of its
processes share (shared_pages.py), so that each page counts once. For a single process that is VmRSS, and its peak
VmHWM. The contents of a memfd count while a process maps them.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.processes.shared_pages import shared_memory

_TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second, mostly 100: the unit of CPU time in /proc."""
_USER = 11
"""Position of utime after the program's name in /proc/PID/stat; stime, cutime and cstime follow."""
_TRACKER = "multiprocessing.resource_tracker"
"""Module of Python's resource tracker in its command line."""
_TO_PEAK = "5"
"""Written to clear_refs: resets the peak (VmHWM) to the current resident set."""


def family(process: int) -> tuple[int, ...]:
    """Process tree, parents before children; it may contain processes that have ended meanwhile."""
    return (process, *(member for child in _children(process) for member in family(child)))


def command_line(process: int) -> tuple[str, ...]:
    """Command line of a process; empty if it has ended."""
    try:
        words = Path("/proc", str(process), "cmdline").read_text(errors="backslashreplace")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(words.split("\0")[:-1])


def kill(process: int) -> None:
    """SIGKILL to a process tree, as at a loss of power, but for Python's resource tracker.

    The tracker then removes the semaphores of the others in /dev/shm, and ends by itself. One that is still being
    started does not have its own command line yet, and is killed with the others.
    """
    for member in family(process):
        if _TRACKER not in " ".join(command_line(member)):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def peak_memory(process: int, *, forget: bool = False) -> float:
    """Peak memory of a process tree in MiB, since its start or the last reset: an upper bound.

    The sum of each process's peak (VmHWM), less the pages that are shared now: exact for one process. For several
    processes, it is reached only if all have their peaks at the same time. Processes that have ended do not count.
    `forget` also resets each peak to the current resident set.

    Raises:
        ProcessLookupError: the process has ended, and its parent has not read its exit status.
        FileNotFoundError: there is no such process.
        PermissionError: the peak cannot be reset: another user's process, or one that is not dumpable.
    """
    members = family(process)
    peak = _sum(process, members, lambda member: _status(member, "VmHWM"))
    if forget:
        _sum(process, members, _forget)
    return peak - shared_memory(members)


def resident_memory(process: int) -> float:
    """Resident memory of a process tree in MiB (VmRSS, each page once). Raises as `peak_memory`."""
    members = family(process)
    return _sum(process, members, lambda member: _status(member, "VmRSS")) - shared_memory(members)


def cpu_seconds(process: int) -> float:
    """User and system CPU time of a process tree, descendants that have ended included.

    An ended descendant counts once its parent has waited for it, and never if the parent ignores SIGCHLD.
    Raises FileNotFoundError if there is no such process.
    """
    return _sum(process, family(process), _ticks) / _TICKS


def _sum(process: int, members: tuple[int, ...], read: Callable[[int], float]) -> float:
    """Sum over the tree; a descendant that has ended meanwhile counts as 0."""
    total = read(process)
    for member in members[1:]:
        with suppress(FileNotFoundError, ProcessLookupError):
            total += read(member)
    return total


def _status(process: int, name: str) -> float:
    lines = Path("/proc", str(process), "status").read_text().splitlines()
    line = next((line for line in lines if line.startswith(name)), "")
    if not line:
        raise ProcessLookupError(f"process {process} has ended")
    return int(line.split()[1]) / 1024


def _forget(process: int) -> float:
    Path("/proc", str(process), "clear_refs").write_text(_TO_PEAK)
    return 0.0


def _children(process: int) -> Iterator[int]:
    for children in Path("/proc", str(process), "task").glob("*/children"):
        # A thread may end meanwhile; its children then belong to another thread.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, children.read_text().split())


def _ticks(process: int) -> int:
    # The name stands in parentheses and may itself contain parentheses.
    _, _, fields = Path("/proc", str(process), "stat").read_text().rpartition(")")
    return sum(int(field) for field in fields.split()[_USER : _USER + 4])
