"""Causes of a worker's end: its signal or exit status, and the kernel's out-of-memory killer."""

import signal
from pathlib import Path
from typing import NamedTuple

from service.ipc.signal_names import signal_name
from service.messages import ENGINE_FAILED

VMSTAT = Path("/proc/vmstat")
"""`oom_kill` counts the processes that the kernel has killed for want of memory, in any control group (Linux 4.13)."""


class Death(NamedTuple):
    """The end of a worker process."""

    cause: str
    """In a few words: a label of metrics, and for the log."""
    out_of_memory: bool = False
    """Whether the kernel's out-of-memory killer may have been the cause."""
    unrelated: bool = False
    """Whether no photo can be the cause: another process has sent SIGKILL or SIGTERM, the connection had ended, or the
    engine needs a new process."""


STUCK = Death("stuck")
"""Of a worker that the web process has killed, since its event loop answered nothing any more."""
MALFORMED = Death("malformed message")
"""Of a worker that the web process has killed, since it sent what is no message."""
UNENDED = Death("no end in time", unrelated=True)
"""Of a worker that the web process has killed, since it went on after the end of its connection."""


def death(status: int, oom_kills_before: int | None) -> Death:
    """Classifies an exit status, or the negative number of a signal, as subprocess gives it.

    SIGKILL counts as out of memory where the kernel's counter has moved since, or is hidden.
    """
    if status == ENGINE_FAILED:
        return Death("engine failed", unrelated=True)
    if status >= 0:
        return Death(f"exit status {status}", unrelated=status == 0)
    now = oom_kills()
    moved = now is None or oom_kills_before is None or now > oom_kills_before
    if -status == signal.SIGKILL and moved:
        return Death("out of memory", out_of_memory=True)
    return Death(signal_name(-status), unrelated=-status in (signal.SIGKILL, signal.SIGTERM))


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory since its start; None where it does not say."""
    try:
        lines = VMSTAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None
