"""Number of cores that this process may use: by affinity, by control groups, and without hyper-threads."""

import math
import os
from pathlib import Path

from service.recognition.compute import cgroups

SYSTEM = Path("/sys/devices/system/cpu")


def visible_cores() -> int:
    """Number of logical processors that this process may run on."""
    return len(_processors())


def usable_cores() -> int:
    """Number of logical processors whose time this process may use.

    With more threads than that, the quota of a control group is used up sooner, and all of them stop until the next
    period.
    """
    limit = cgroups.core_limit()
    return visible_cores() if math.isinf(limit) else min(visible_cores(), math.ceil(limit))


def physical_cores() -> list[int]:
    """The first logical processor of each physical core that this process may run on, in ascending order.

    Two processors of one core share its multipliers: a second thread there slows the first one by as much as it adds.
    """
    first: dict[str, int] = {}
    for processor in _processors():
        first.setdefault(_siblings(processor), processor)
    return list(first.values())


def computing_cores() -> int:
    """Number of threads that compute at the same time without slowing each other down."""
    return min(len(physical_cores()), usable_cores())


def _processors() -> list[int]:
    """Logical processors that this process may run on, in ascending order; all where the system has no affinities."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # no such call here, or a sandbox forbids it
        return list(range(os.cpu_count() or 1))


def _siblings(processor: int) -> str:
    """Linux's list of the processors of the same core; the processor itself where there is none."""
    try:
        return (SYSTEM / f"cpu{processor}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(processor)
