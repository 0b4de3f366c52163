"""The cores of this machine that this process may use, and the physical ones among them."""

import math
import os
from pathlib import Path

from service.recognition.compute import cgroups

SYSTEM = Path("/sys/devices/system/cpu")


def visible_cores() -> int:
    """Cores that this process may run on."""
    return len(_processors())


def usable_cores() -> int:
    """Cores whose time this process may use. Threads beyond would only use the share up sooner, and all then stop."""
    share = cgroups.cores()
    return visible_cores() if math.isinf(share) else min(visible_cores(), math.ceil(share))


def physical_cores() -> list[int]:
    """One of the processors of each physical core that this process may run on, in ascending order.

    Two processors of one core share what multiplies: a second thread there makes the first one as much slower.
    """
    first: dict[str, int] = {}
    for processor in _processors():
        first.setdefault(_siblings(processor), processor)
    return list(first.values())


def computing_cores() -> int:
    """Threads that compute at the same time without being in each other's way."""
    return min(len(physical_cores()), usable_cores())


def _processors() -> list[int]:
    """Processors that this process may run on, in ascending order; all where the system does not say."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # no such call here, or a sandbox forbids it
        return list(range(os.cpu_count() or 1))


def _siblings(processor: int) -> str:
    """The processors of the same core, in whatever words Linux has for them; itself where it does not say."""
    try:
        return (SYSTEM / f"cpu{processor}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(processor)
