"""The cores there are, and how much of a device's work is done at once: what is best differs by provider."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from service.recognition import cgroups

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


@dataclass(frozen=True)
class Parallelism:
    """How a provider's work is shared out."""

    on_cores: bool
    """Whether it computes on the cores of this machine, in its memory, in as many runs at the same time as there are
    cores, each on its share of them. A device has a memory of its own and computes one run at a time."""
    detector_pixels: int
    """Pixels of the photos that share a run of the detector; a larger photo runs alone."""
    descriptor_batches: tuple[int, ...]
    """Ascending: how many faces there may be in a run of the descriptor network. What is missing to the next of them is
    filled up, and more than the last are run in turns."""
    detector_runs: int = 1
    """Runs of whole photos that are begun at the same time; a device computes one."""


ON_CPU = Parallelism(
    on_cores=True,
    detector_pixels=0,  # each alone: a run of several takes their times added up
    descriptor_batches=tuple(range(1, 9)),
)
"""The descriptor network's weights pass through the cache once a run: a face takes two thirds of the time among 8 or
more that it takes alone, and no less among 64 (benchmarks.throughput)."""

ON_GPU = Parallelism(
    on_cores=False,
    detector_pixels=1 << 22,
    detector_runs=2,
    descriptor_batches=(16,),
)
"""Small photos of one size, whose strips would leave a GPU with nothing to do between two, to 110 billion operations.
Faces by 16, 9 billion operations: ONNX Runtime plans all convolutions anew whenever the size of a batch changes
(last_x_dims in its cuda/nn/conv.cc), which takes longer than those. Of two runs of the detector the second one's photos
are put together while the first is computed, and what that found becomes faces while the second is. A third would only
take photos that could share a run. Chosen, not measured yet."""
