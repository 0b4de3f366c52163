"""Number of logical processors and of physical cores that this process may use, by affinity and by control groups."""

import math
import os
from pathlib import Path

from service.recognition.compute import cgroups

SYSTEM = Path("/sys/devices/system/cpu")


def visible_processors() -> int:
    """Number of logical processors that the affinity of this process allows."""
    return len(_processors())


def usable_processors() -> int:
    """Number of logical processors whose time this process may use.

    With more threads than that, the quota of a control group is used up sooner, and all of them stop until the next
    period.
    """
    limit = cgroups.core_limit()
    return visible_processors() if math.isinf(limit) else min(visible_processors(), math.ceil(limit))


def physical_cores() -> list[int]:
    """The first logical processor of each physical core that this process may run on, in ascending order.

    Two processors of one core share its execution units: a second thread there slows the first thread by as much as it
    adds.
    """
    first: dict[str, int] = {}
    for processor in _processors():
        first.setdefault(_siblings(processor), processor)
    return list(first.values())


def computing_cores() -> int:
    """Number of threads that compute at the same time without slowing each other down."""
    return min(len(physical_cores()), usable_processors())


def _processors() -> list[int]:
    """Logical processors that this process may run on, in ascending order. All processors of the machine if affinity is
    unsupported or forbidden."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # the platform has no such call, or a sandbox forbids it
        return list(range(os.cpu_count() or 1))


def _siblings(processor: int) -> str:
    """Linux's list of the logical processors of the same core; the processor alone if Linux has no such list."""
    try:
        return (SYSTEM / f"cpu{processor}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(processor)
