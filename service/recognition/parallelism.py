"""How many runs share the device, and how much one of them takes: what is best differs by provider."""

import math
import os
from dataclasses import dataclass

from service.recognition import cgroups

CPU_FACES = 32
"""Faces of one run of the descriptor network on the CPU. Its weights pass through the cache once a run: a face takes
two thirds of the time among 8 or more that it takes alone, and no less among 64 (benchmarks.throughput)."""

GPU_FACES = 64
"""Faces of one run of the descriptor network on a GPU: 35 billion operations. Chosen, not measured yet."""

GPU_PIXELS = 1 << 22
"""Pixels of the photos that share a run of the detector on a GPU, 110 billion operations: small photos of one size,
whose strips leave a GPU with nothing to do between two. Chosen, not measured yet."""


def visible_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """Cores whose time this process may use. Threads beyond would only use the share up sooner, and all then stop."""
    share = cgroups.cores()
    return visible_cores() if math.isinf(share) else min(visible_cores(), math.ceil(share))


@dataclass(frozen=True)
class Parallelism:
    """The shares of one recogniser."""

    threads: int
    """Cores that one run of a network uses; 0 for all."""
    runs: int
    """Runs of a network at the same time; what comes meanwhile is gathered."""
    detector_pixels: int
    """Pixels of the photos that share a run of the detector; a larger photo runs alone."""
    descriptor_faces: int
    """Faces that share a run of the descriptor network; more are run in turns."""

    @classmethod
    def on_cpu(cls, threads: int) -> "Parallelism":
        """For the CPU.

        As many runs as cores allow: more of them only disturb each other (8 callers, 2 cores: 3.9 photos a second
        where each may run at once, 4.0 in turns) and hold memory meanwhile. And each is of one photo, since a run
        of several takes their times added up.
        """
        cores = usable_cores()
        return cls(
            threads=_within_share(threads),
            runs=max(cores // (threads or cores), 1),
            detector_pixels=0,
            descriptor_faces=CPU_FACES,
        )

    @classmethod
    def on_gpu(cls, threads: int) -> "Parallelism":
        """For a GPU, which the networks share in turns, and as many photos at once as it has work for.

        The threads are those of what the CPU does beside it.
        """
        return cls(
            threads=_within_share(threads),
            runs=1,
            detector_pixels=GPU_PIXELS,
            descriptor_faces=GPU_FACES,
        )


def _within_share(threads: int) -> int:
    """Threads, 0 for all cores; not 0 where fewer may be used than there are: ONNX Runtime knows nothing of shares."""
    cores = usable_cores()
    return threads or (cores if cores < visible_cores() else 0)
