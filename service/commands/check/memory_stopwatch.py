"""A stopwatch that also measures the memory of the process during each stage."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from service.recognition.timings import Stopwatch

STATUS = Path("/proc/self/status")
PRESENT, PEAK = "VmRSS", "VmHWM"
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to CLEAR_REFS, it resets VmHWM to VmRSS (proc(5))."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class MemoryStopwatch(Stopwatch):
    """A stopwatch that also measures the growth of the process's memory during each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.growth: dict[str, int] = {}
        """Name of a stage to the bytes between the memory at its start and the peak within it."""
        self.peak = memory_of_process(PEAK)
        """Bytes; the largest memory of the process so far."""

    def time(
        self, stage: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        with suppress(OSError):  # a sandbox may forbid it: then a stage's peak includes those before it
            CLEAR_REFS.write_text(RESET_PEAK)
        before = memory_of_process(PRESENT)
        try:
            return super().time(stage, *given, **named)
        finally:
            peak = memory_of_process(PEAK)
            self.growth[stage.__name__] = max(peak - before, 0)
            self.peak = max(self.peak, peak)


def memory_of_process(name: str) -> int:
    """Memory of this process in bytes, by a field of STATUS (PRESENT or PEAK); 0 if the system hides it.

    Not from getrusage(2), whose peak includes the parent's.
    """
    with suppress(OSError):  # a sandbox may hide it
        for line in STATUS.read_text(encoding="ascii").splitlines():
            found, _, value = line.partition(":")
            if found == name:
                return int(value.removesuffix("kB")) * 1024
    return 0
