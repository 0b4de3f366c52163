"""Memory and CPU time of a process tree, read from outside of it (proc(5), Linux).

A tree is a process and all of its descendants. Memory is the resident set of every process of the tree, less the
pages that several of them share (shared_pages.py): a page counts once, however many processes map it. Of a
single process that is VmRSS, and its peak VmHWM. The contents of a memfd count while a process maps them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.harness.shared_pages import shared_memory

_TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second, mostly 100: the unit of CPU time in /proc."""
_USER = 11
"""Where utime stands behind the program's name in /proc/PID/stat; stime, cutime and cstime follow."""
_TO_PEAK = "5"
"""Written to clear_refs, sets the peak back to what is resident now."""


def family(process: int) -> tuple[int, ...]:
    """A process and its descendants, parents before their children; those that end meanwhile may be among them."""
    return (process, *(member for child in _children(process) for member in family(child)))


def command_line(process: int) -> tuple[str, ...]:
    """The words that a process was started with; none of one that has ended."""
    try:
        words = Path("/proc", str(process), "cmdline").read_text(errors="backslashreplace")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(words.split("\0")[:-1])


def peak_memory(process: int, *, forget: bool = False) -> float:
    """MiB of a process tree at its peak so far, or since it was last forgotten: an upper bound.

    The sum of each process's largest resident set (VmHWM), less the pages that are shared now. For one process it is
    exact. For several it is what the tree had if all were at their peaks at the same time. Processes that have ended
    do not count. `forget` also starts the peak of each process again at what is resident now.

    Raises:
        ProcessLookupError: the process has ended, and its parent has not read its exit status.
        FileNotFoundError: there is no such process.
        PermissionError: the peak may not be forgotten: another user's process, or one that is not dumpable.
    """
    members = family(process)
    peak = _added(process, members, lambda member: _status(member, "VmHWM"))
    if forget:
        _added(process, members, _forget)
    return peak - shared_memory(members)


def resident_memory(process: int) -> float:
    """MiB of a process tree now: the sum of the resident sets (VmRSS), each page once. Raises as `peak_memory`."""
    members = family(process)
    return _added(process, members, lambda member: _status(member, "VmRSS")) - shared_memory(members)


def cpu_seconds(process: int) -> float:
    """User and system time of all threads of a process tree, and of descendants that ended.

    A descendant that ended counts once its parent has waited for it, and not where the parent ignores SIGCHLD.
    Raises FileNotFoundError where there is no such process.
    """
    return _added(process, family(process), _ticks) / _TICKS


def _added(process: int, members: tuple[int, ...], read: Callable[[int], float]) -> float:
    """A figure of all members; a descendant that has ended meanwhile has none."""
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
        # A thread may end meanwhile; its children are another thread's then.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, children.read_text().split())


def _ticks(process: int) -> int:
    # The name stands in parentheses and may hold anything, parentheses too.
    _, _, fields = Path("/proc", str(process), "stat").read_text().rpartition(")")
    return sum(int(field) for field in fields.split()[_USER : _USER + 4])
