"""Load of the machine by other processes, read from /proc (proc(5), Linux): it slows both sides of a measurement.

The kernel counts the CPU time of all processes, and as steal the time that the hypervisor gave to other guests. The
time of all processes less that of this process tree is the time of others; in a container, of all others on the host.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes.process_tree import cpu_seconds

SAMPLE_SECONDS = 1.0
"""Duration of the sample before a run."""
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
_TIMES = 8
"""Number of times in the first line of /proc/stat up to steal; guest times, which follow, are part of user time."""


@dataclass(frozen=True)
class MachineLoad:
    """CPU time of others during an interval."""

    others: float
    """Processors that other processes kept busy, on average."""
    steal: float
    """Processors' time that the hypervisor withheld, on average."""


class LoadMeter:
    """Measures the load since its creation or the last `read`."""

    def __init__(self) -> None:
        self._start = self._now()

    def read(self) -> MachineLoad:
        """Load of the interval, which ends now."""
        before, after = self._start, self._now()
        self._start = after
        seconds, busy, steal, own = (new - old for new, old in zip(after, before, strict=True))
        return MachineLoad(max(busy - own, 0.0) / seconds, steal / seconds)

    @staticmethod
    def _now() -> tuple[float, float, float, float]:
        """Time of day, and CPU seconds since the start of the machine: busy, stolen, of this process tree."""
        first = Path("/proc/stat").read_text().partition("\n")[0]
        times = [int(field) / _TICKS for field in first.split()[1 : 1 + _TIMES]]
        busy = sum(times) - times[_IDLE] - times[_IOWAIT] - times[_STEAL]
        return time.monotonic(), busy, times[_STEAL], cpu_seconds(os.getpid())


def sampled(seconds: float = SAMPLE_SECONDS) -> MachineLoad:
    """Load of the next seconds, in which this process sleeps."""
    meter = LoadMeter()
    time.sleep(seconds)
    return meter.read()
