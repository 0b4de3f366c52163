"""How many runs share the device, and how much one of them takes: what is best differs by provider."""

import os
from dataclasses import dataclass

NO_LIMIT = 1 << 16
"""Runs at once where only the number of photos in work bounds them."""
CPU_FACES = 32
"""Faces of one run of the descriptor network on the CPU. Its weights pass through the cache once a run: a face takes
two thirds of the time among 8 or more that it takes alone, and no less among 64 (benchmarks.stages)."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Parallelism:
    """The shares of one recogniser."""

    threads: int
    """Cores that one run of a network uses; 0 for all."""
    detector_runs: int
    detector_pixels: int
    """Pixels of the photos that share a run of the detector; a larger photo runs alone."""
    descriptor_runs: int
    descriptor_faces: int
    """Faces that share a run of the descriptor network; more are run in turns."""

    @classmethod
    def on_cpu(cls, threads: int) -> "Parallelism":
        """For the CPU.

        Photos are not put together for the detector: a photo keeps all cores busy, and a run of several takes their
        times added up and their memory besides. What a run leaves idle, its pyramid and its last strip, the runs of
        other photos fill.
        """
        cores = usable_cores()
        return cls(
            threads=threads,
            detector_runs=NO_LIMIT,
            detector_pixels=0,
            descriptor_runs=max(cores // (threads or cores), 1),
            descriptor_faces=CPU_FACES,
        )
