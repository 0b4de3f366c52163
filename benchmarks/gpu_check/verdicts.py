"""Verdicts on a provider and on a check, by the bounds of docs/reference/parity.md."""

from collections.abc import Iterator, Sequence

from benchmarks.gpu_check.schema import GpuCheck, Memory, Parity, ProviderRecord
from benchmarks.harness.results import NOTHING_DONE
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE, DESCRIPTOR_TOLERANCE

GROWTH = 64.0
"""MiB that may be added after the second pass, by the driver itself."""
COMPARED_PASSES = 3
"""Fewer passes show no trend: the first one fills caches."""
DIFFERS = 1
"""Exit status after a fault of a provider."""


def held(parity: Parity) -> bool:
    """True if every photo was answered, and all answers are equal within the bounds."""
    return (
        parity.failed == parity.faces_differing == parity.landmarks_differing == 0
        and parity.confidence_difference <= CONFIDENCE_TOLERANCE
        and parity.descriptor_difference <= DESCRIPTOR_TOLERANCE
    )


def memory_trend(memory: Memory) -> str:
    """`flat`, `growing` or `unknown`."""
    if len(memory.device) < COMPARED_PASSES:
        return "unknown"
    return "growing" if memory.device[-1] - memory.device[1] > GROWTH else "flat"


def faults(record: ProviderRecord) -> Iterator[str]:
    """Faults of a provider, a line each."""
    if record.proof is not None and record.proof.passed is False:
        yield f"the proof at the start failed: {record.proof.reason or 'no reason was given'}"
    for parity in record.parity:
        if not held(parity):
            yield f"model {parity.model} in {parity.precision} differs from {parity.against}: {difference(parity)}"
    if record.scan is not None and record.scan.stopped is not None:
        yield f"the scan has stopped: {record.scan.stopped}"
    failed = sum(speed.failed for speed in record.speed)
    if failed:
        yield f"{failed} photos of the speed measurement were not answered with 200"
    if record.fallbacks:
        yield f"dlib computed {record.fallbacks} calls, since the engine failed"
    if record.memory is not None and memory_trend(record.memory) == "growing":
        yield f"device memory grows: {record.memory.device[1]:.0f} to {record.memory.device[-1]:.0f} MiB"
    short = record.short_memory
    if short is not None and short.parity is not None and not held(short.parity):
        yield f"without enough device memory, answers differ: {difference(short.parity)}"


def difference(parity: Parity) -> str:
    """Figures of a comparison in one line."""
    return (
        f"of {parity.photos} photos {parity.failed} failed, {parity.faces_differing} faces and "
        f"{parity.landmarks_differing} landmarks differ, confidence by {parity.confidence_difference:.1e}, "
        f"descriptor by {parity.descriptor_difference:.1e}"
    )


def verdict(record: ProviderRecord) -> str:
    """`held`, `differs`, `failed` (a part of the check ended in an error), `not used` or `not compared`."""
    if any(faults(record)):
        return "differs"
    if record.failure is not None:
        return "failed"
    if record.unused is not None:
        return "not used"
    return "held" if record.parity else "not compared"


def exit_status(check: GpuCheck, named: Sequence[str] = ()) -> int:
    """0: all that was compared held; 1: a fault of a provider; 2: the check or a part of it could not run.

    Args:
        check: complete or not.
        named: providers that have to be usable; others may be missing.
    """
    found = {record.name: verdict(record) for record in check.providers}
    if "differs" in found.values():
        return DIFFERS
    unusable = any(found.get(name) != "held" for name in named)
    held_all = check.complete and "held" in found.values() and "failed" not in found.values()
    return 0 if held_all and not unusable else NOTHING_DONE
