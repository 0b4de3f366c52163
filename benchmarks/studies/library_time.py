"""Estimated time of a library against the measured one, sent as the app sends it.

    python -m benchmarks.studies.library_time FOLDER [--photos 300] [--megapixels 1.2] [--workers 3] [--rounds 3]

Workers like those of `occ face:background_job --workers` each take the next photo of the folder, decode it, scale it to
the area, encode it as the app does, and send it on a new connection. They send photos until the service has an estimate
(`/status`). A round compares the estimate for the next `--photos` photos with the time that they take. The workers
compute on the service's cores, as a Nextcloud on the same machine does.

Exit status: 0 if each round is within TOLERANCE; 1 if one is not, or a photo failed.
"""

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.harness.corpus import CorpusError, read
from benchmarks.harness.http_calls import post
from benchmarks.harness.text_table import text_table
from benchmarks.processes.running import ServiceDied, serving
from benchmarks.throughput.jpeg_uploads import upload

TOLERANCE = 0.15
"""Largest difference of the measured from the estimated time, as a share of the estimated one."""
SAMPLE = 50
"""Photos of a step before the service is asked for an estimate again."""
MAXIMUM_STEPS = 40


class NoEstimate(RuntimeError):
    """The service shows no estimate after MAXIMUM_STEPS. One line."""


class Library:
    """The photos of a folder, again and again, sent by the workers of the app."""

    def __init__(self, client: httpx.Client, photos: Sequence[Path], megapixels: float, workers: int) -> None:
        self._client = client
        self._photos: Iterator[Path] = itertools.cycle(photos)
        self._megapixels = megapixels
        self._workers = workers
        self._taking = threading.Lock()
        self.failed = 0

    def send(self, number: int) -> float:
        """Send the next `number` photos, and return the seconds."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self._workers) as pool:
            for status in pool.map(self._send, range(number)):
                self.failed += status != httpx.codes.OK
        return time.perf_counter() - started

    def _send(self, _: int) -> int:
        with self._taking:
            path = next(self._photos)
        return post(self._client, upload(path, self._megapixels)).status_code


def estimated_seconds(client: httpx.Client, library: Library, photos: int) -> float:
    """Seconds for `photos` photos by the service's own estimate, after as many steps as it needs."""
    for _ in range(MAXIMUM_STEPS):
        library.send(SAMPLE)
        estimate = client.get("/status").raise_for_status().json()["estimate"]
        if estimate is not None:
            return float(60 * photos / estimate["photos_per_minute"])
    raise NoEstimate(f"there is no estimate after {MAXIMUM_STEPS * SAMPLE} photos")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    rows, largest, failed = [], 0.0, 0
    try:
        photos = read(options.folder).photos
        for number in range(options.rounds):
            with serving({"FACE_MODEL": str(options.model)}) as (_, client):
                library = Library(client, photos, options.megapixels, options.workers)
                estimated = estimated_seconds(client, library, options.photos)
                measured = library.send(options.photos)
            difference = measured / estimated - 1
            largest, failed = max(largest, abs(difference)), failed + library.failed
            rows.append((str(number + 1), f"{estimated:.1f}", f"{measured:.1f}", f"{difference:+.1%}"))
    except (CorpusError, NoEstimate, ServiceDied) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{options.photos} photos of {options.megapixels} MP, {options.workers} workers, model {options.model}"
    )
    print(text_table([("round", "estimated, s", "measured, s", "difference"), *rows]))
    print(f"failed photos: {failed}; largest difference {largest:.1%}, allowed {TOLERANCE:.0%}")
    return int(failed > 0 or largest > TOLERANCE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--megapixels", type=float, default=1.2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=int, default=4)
    return parser


if __name__ == "__main__":
    sys.exit(main())
