"""Measurements of a side in one round: figures by name."""

import http.client
import itertools
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.harness.closed_loop import Trial
from benchmarks.processes import process_tree
from benchmarks.studies.process_cost.checkouts import RunningCheckout
from benchmarks.studies.process_cost.workloads import (
    AFTER,
    MIXED_CALLERS,
    PROBED,
    WORKLOADS,
    Uploads,
    Workload,
)

SMALL = ("/health", "/open")
"""Paths of the small requests."""
PAUSE = 0.02
"""Seconds between two small requests."""


class PhotoFailed(RuntimeError):
    """A photo without a 200 answer: its side cannot be measured. One line."""


def fresh(running: RunningCheckout, uploads: Uploads) -> dict[str, float]:
    """Figures of a fresh service: start-up time, memory, and peak over photos of mixed sizes.

    Memory in MiB is that of the process tree, as benchmarks/processes/process_tree.py counts it.
    """
    process = running.service.process.pid
    assert running.side.ready_after is not None
    found = {
        "start to /ready, s": running.side.ready_after,
        "idle, MiB": process_tree.resident_memory(process),
    }
    complete_trial(running, uploads.repeated(WORKLOADS[0].megapixels, AFTER), 1)
    found[f"after {AFTER} photos, MiB"] = process_tree.resident_memory(process)
    running.service.peak_memory(forget=True)
    complete_trial(running, uploads.mixed, MIXED_CALLERS)
    found["peak, mixed sizes, MiB"] = running.service.peak_memory()
    return found


def trial(running: RunningCheckout, workload: Workload, uploads: Uploads) -> dict[str, float]:
    """Figures of a workload: photos per second, CPU seconds, and for one caller the median latency."""
    measured = complete_trial(running, uploads.of(workload), workload.callers)
    assert measured.cpu_seconds is not None
    found = {f"{workload}: photos per second": measured.photos_per_second}
    if workload.callers == 1:
        found = {f"{workload}: latency, ms": 1000 * statistics.median(measured.latencies), **found}
    return {**found, f"{workload}: CPU seconds per photo": measured.cpu_seconds / len(measured.responses)}


def probed(running: RunningCheckout, uploads: Uploads) -> dict[str, float]:
    """99th percentiles in ms of small requests under the load of `PROBED`."""
    finished = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(complete_trial, running, uploads.of(PROBED), PROBED.callers)
        working.add_done_callback(lambda _: finished.set())
        taken = _small_requests(running, finished)
        working.result()
    return {
        f"{path} during {PROBED.callers} callers, 99 %, ms": statistics.quantiles(
            seconds, n=100, method="inclusive"
        )[-1]
        for path, seconds in taken.items()
    }


def _small_requests(running: RunningCheckout, until: threading.Event) -> dict[str, list[float]]:
    """Latencies in ms of small requests, connection included, until the event is set."""
    taken: dict[str, list[float]] = {path: [] for path in SMALL}
    paths = itertools.cycle(SMALL)
    while not until.wait(PAUSE):
        path = next(paths)
        start = time.perf_counter()
        # Not httpx, whose connection takes a millisecond, as long as the answer itself.
        connection = http.client.HTTPConnection("127.0.0.1", running.service.port)
        connection.request("GET", path, headers={"x-api-key": running.client.headers["x-api-key"]})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status}")
        taken[path].append(1000 * (time.perf_counter() - start))
    return taken


def complete_trial(running: RunningCheckout, photos: list[bytes], callers: int) -> Trial:
    """A trial of these photos. Raises PhotoFailed."""
    taken = running.side.trial(photos, callers)
    if taken.failures:
        raise PhotoFailed(f"{running.side.name}: {len(taken.failures)} photos failed: {taken.failures[0]}")
    return taken
