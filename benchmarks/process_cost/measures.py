"""Measurements of a side in one round, as figures by name."""

import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

from benchmarks import processes, saturation
from benchmarks.process_cost.cases import AFTER, CASES, MIXED_CALLERS, PROBED, Case, Uploads
from benchmarks.process_cost.checkouts import Running
from benchmarks.process_cost.peak import SampledPeak
from benchmarks.throughput.turns import Turn

SMALL = ("/health", "/open")


class PhotoFailed(RuntimeError):
    """A photo had no answer, or another than 200: its side cannot be measured. One line."""


def fresh(running: Running, uploads: Uploads) -> dict[str, float]:
    """Figures of a service that has just started: its start, its memory, and its peak over photos of mixed sizes.

    Memory in MiB is that of the process tree, as benchmarks/processes.py counts it.
    """
    process = running.service.process.pid
    assert running.side.ready_after is not None
    found = {"start to /ready, s": running.side.ready_after, "idle, MiB": processes.resident_memory(process)}
    _turn(running, uploads.repeated(CASES[0].megapixels, AFTER), 1)
    found[f"after {AFTER} photos, MiB"] = processes.resident_memory(process)
    running.service.peak_memory(forget=True)
    with SampledPeak(process) as sampled:
        _turn(running, uploads.mixed, MIXED_CALLERS)
    found["peak, mixed sizes, each process at its own, MiB"] = running.service.peak_memory()
    found["peak, mixed sizes, sampled, MiB"] = sampled.peak
    return found


def turn(running: Running, case: Case, uploads: Uploads) -> dict[str, float]:
    """Figures of a case: photos per second, CPU seconds, and of one caller the median latency."""
    taken = _turn(running, uploads.of(case), case.callers)
    assert taken.cpu_seconds is not None
    found = {f"{case}: photos per second": taken.photos_per_second}
    if case.callers == 1:
        found = {f"{case}: latency, ms": 1000 * statistics.median(taken.latencies), **found}
    return {**found, f"{case}: CPU seconds per photo": taken.cpu_seconds / len(taken.answers)}


def probed(running: Running, uploads: Uploads) -> dict[str, float]:
    """99th percentiles in ms of small requests while the callers of `PROBED` work."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(_turn, running, uploads.of(PROBED), PROBED.callers)
        working.add_done_callback(lambda _: over.set())
        taken = saturation.probe(running.service.port, running.calls.key, over, SMALL)
        working.result()
    return {
        f"{path} beside {PROBED.callers} callers, 99 %, ms": statistics.quantiles(
            seconds, n=100, method="inclusive"
        )[-1]
        for path, seconds in taken.items()
    }


def _turn(running: Running, photos: list[bytes], callers: int) -> Turn:
    taken = running.side.turn(photos, callers)
    if taken.failures:
        raise PhotoFailed(f"{running.side.name}: {len(taken.failures)} photos failed: {taken.failures[0]}")
    return taken
