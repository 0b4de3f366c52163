"""What a process takes, read from outside of it (proc(5), Linux)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
"""A second has so many, of 10 ms mostly: what CPU time is counted in."""
_USER = 11
"""Where utime stands behind the program's name in /proc/PID/stat; stime, cutime and cstime follow."""
_TO_PEAK = "5"
"""Written to clear_refs, sets the peak back to what is resident now."""


def peak_memory(process: int, *, forget: bool = False) -> float:
    """MiB of the largest resident set so far, or since it was last forgotten (VmHWM).

    Raises:
        ProcessLookupError: it has ended, and nobody has asked how.
        FileNotFoundError: there is no such process.
    """
    peak = _status(process, "VmHWM")
    if forget:
        Path("/proc", str(process), "clear_refs").write_text(_TO_PEAK)
    return peak


def resident_memory(process: int) -> float:
    """MiB of the resident set (VmRSS). Raises as `peak_memory`."""
    return _status(process, "VmRSS")


def _status(process: int, name: str) -> float:
    lines = Path("/proc", str(process), "status").read_text().splitlines()
    line = next((line for line in lines if line.startswith(name)), "")
    if not line:
        raise ProcessLookupError(f"process {process} has ended")
    return int(line.split()[1]) / 1024


def cpu_seconds(process: int) -> float:
    """User and system time of all threads of a process and of its children, those that ended included."""
    ticks = _ticks(process)
    for child in _children(process):
        with suppress(FileNotFoundError):  # it has ended meanwhile, and counts with its parent from then on
            ticks += _ticks(child)
    return ticks / _TICKS


def _children(process: int) -> Iterator[int]:
    """Of a process, and theirs."""
    for children in Path("/proc", str(process), "task").glob("*/children"):
        try:
            found = children.read_text().split()
        except FileNotFoundError:  # a thread that has ended meanwhile; its children are another's now
            continue
        for child in map(int, found):
            yield child
            yield from _children(child)


def _ticks(process: int) -> int:
    # The name stands in parentheses and may hold anything, parentheses too.
    _, _, fields = Path("/proc", str(process), "stat").read_text().rpartition(")")
    return sum(int(field) for field in fields.split()[_USER : _USER + 4])
