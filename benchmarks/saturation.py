"""How the service answers everybody else while it is saturated: `python -m benchmarks.saturation FOLDER`.

So many callers post the folder's photos over and over, one connection each as the app does it; meanwhile the small
requests are timed. Prints their percentiles, photos per second, every answer that was not 200, and the memory peak of
all processes of the service (benchmarks/processes.py).
"""

import argparse
import http.client
import itertools
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import corpus, running
from benchmarks.throughput.load import post

SMALL = ("/open", "/health", "/ready", "/metrics")
PAUSE = 0.02
"""Seconds between two probes."""


def probe(
    port: int, key: str, until: threading.Event, paths: Sequence[str] = SMALL
) -> dict[str, list[float]]:
    """Milliseconds of each small request, connection included, until the event is set."""
    taken: dict[str, list[float]] = {path: [] for path in paths}
    for path in itertools.cycle(paths):
        if until.wait(PAUSE):
            return taken
        start = time.perf_counter()
        # Not httpx, which prepares for TLS with each connection: that takes longer than what is measured.
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path, headers={"x-api-key": key})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status}")
        taken[path].append(1000 * (time.perf_counter() - start))
    raise AssertionError("cycle has no end")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saturation", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    photos = [path.read_bytes() for path in corpus.photos_in(given.folder)]
    statuses: Counter[int] = Counter()
    over = threading.Event()
    turn: Iterator[bytes] = itertools.cycle(photos)
    lock = threading.Lock()
    with running.serving({"FACE_LOG_LEVEL": "warning"}) as (service, client):

        def call() -> None:
            while not over.is_set():
                with lock:
                    photo = next(turn)
                answer = post(client, photo)
                with lock:
                    statuses[answer.status_code] += 1

        callers = [threading.Thread(target=call) for _ in range(given.callers)]
        for caller in callers:
            caller.start()
        timer = threading.Timer(given.seconds, over.set)
        timer.start()
        taken = probe(service.port, client.headers["x-api-key"], over)
        done = statuses.total()
        for caller in callers:
            caller.join()
        peak = service.peak_memory()
    for path, times in taken.items():
        cuts = statistics.quantiles(times, n=100)
        print(
            f"{path:9} {len(times):5} answers: median {statistics.median(times):6.1f} ms, "
            f"p99 {cuts[98]:6.1f} ms, largest {max(times):6.1f} ms"
        )
    print(f"{done / given.seconds:.2f} photos per second; statuses {dict(statuses)}; peak {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
