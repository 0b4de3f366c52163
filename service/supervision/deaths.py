"""Classification of worker deaths, by signal, exit status, and the kernel's out-of-memory killer."""

import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from service.ipc.signal_names import signal_name
from service.messages import DEVICE_FAULT, ENGINE_FAILED

VMSTAT = Path("/proc/vmstat")
"""Its counter `oom_kill` covers the processes of all control groups (Linux 4.13)."""


class Death(NamedTuple):
    """Death of a worker process."""

    cause: str
    """A few words, for the log and as a label of metrics."""
    out_of_memory: bool = False
    """True if the kernel's out-of-memory killer may be the cause."""
    unrelated: bool = False
    """True if no photo can be the cause: another process sent SIGKILL or SIGTERM, the connection had ended, or the
    engine or its device needs a new process."""


STUCK = Death("stuck")
"""The web process killed the worker, whose event loop no longer answered."""
MALFORMED = Death("malformed message")
"""The web process killed the worker, which had sent an invalid message."""
BROKEN_ENGINE = Death("engine failed", unrelated=True)
"""The engine had failed for several photos in a row (pipeline/engine_health.py)."""
FAULTY_DEVICE = Death("device fault", unrelated=True)
"""The device was lost, did not answer, or gave an impossible result."""
UNENDED = Death("no end in time", unrelated=True)
"""The web process killed the worker, which did not exit after the end of its connection."""

_BY_STATUS: Mapping[int, Death] = MappingProxyType(
    {ENGINE_FAILED: BROKEN_ENGINE, DEVICE_FAULT: FAULTY_DEVICE}
)


def death(status: int, oom_kills_before: int | None) -> Death:
    """Classify an exit status, or the negative number of a signal (subprocess.Popen.returncode).

    SIGKILL counts as out of memory if the kernel's counter has risen since `oom_kills_before`, or cannot be read.
    """
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 0:
        return Death(f"exit status {status}", unrelated=status == 0)
    now = oom_kills()
    moved = now is None or oom_kills_before is None or now > oom_kills_before
    if -status == signal.SIGKILL and moved:
        return Death("out of memory", out_of_memory=True)
    return Death(signal_name(-status), unrelated=-status in (signal.SIGKILL, signal.SIGTERM))


def oom_kills() -> int | None:
    """Number of processes that the out-of-memory killer has ended since boot; None if /proc/vmstat lacks it."""
    try:
        lines = VMSTAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None
