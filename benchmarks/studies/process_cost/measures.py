"""Measurements of a side in one round, as figures by name."""

import http.client
import itertools
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.harness import processes
from benchmarks.harness.closed_loop import Turn
from benchmarks.studies.process_cost.cases import AFTER, CASES, MIXED_CALLERS, PROBED, Case, Uploads
from benchmarks.studies.process_cost.checkouts import Running

SMALL = ("/health", "/open")
PAUSE = 0.02
"""Seconds between two small requests."""


class PhotoFailed(RuntimeError):
    """A photo had no answer, or another than 200: its side cannot be measured. One line."""


def fresh(running: Running, uploads: Uploads) -> dict[str, float]:
    """Figures of a service that has just started: its start, its memory, and its peak over photos of mixed sizes.

    Memory in MiB is that of the process tree, as benchmarks/harness/processes.py counts it.
    """
    process = running.service.process.pid
    assert running.side.ready_after is not None
    found = {"start to /ready, s": running.side.ready_after, "idle, MiB": processes.resident_memory(process)}
    _turn(running, uploads.repeated(CASES[0].megapixels, AFTER), 1)
    found[f"after {AFTER} photos, MiB"] = processes.resident_memory(process)
    running.service.peak_memory(forget=True)
    _turn(running, uploads.mixed, MIXED_CALLERS)
    found["peak, mixed sizes, MiB"] = running.service.peak_memory()
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
        taken = _small_requests(running, over)
        working.result()
    return {
        f"{path} beside {PROBED.callers} callers, 99 %, ms": statistics.quantiles(
            seconds, n=100, method="inclusive"
        )[-1]
        for path, seconds in taken.items()
    }


def _small_requests(running: Running, until: threading.Event) -> dict[str, list[float]]:
    """Milliseconds of each small request, connection included, until the event is set."""
    taken: dict[str, list[float]] = {path: [] for path in SMALL}
    paths = itertools.cycle(SMALL)
    while not until.wait(PAUSE):
        path = next(paths)
        start = time.perf_counter()
        # Not httpx, which takes a millisecond for a connection: as long as the answer itself.
        connection = http.client.HTTPConnection("127.0.0.1", running.service.port)
        connection.request("GET", path, headers={"x-api-key": running.client.headers["x-api-key"]})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status}")
        taken[path].append(1000 * (time.perf_counter() - start))
    return taken


def _turn(running: Running, photos: list[bytes], callers: int) -> Turn:
    taken = running.side.turn(photos, callers)
    if taken.failures:
        raise PhotoFailed(f"{running.side.name}: {len(taken.failures)} photos failed: {taken.failures[0]}")
    return taken
