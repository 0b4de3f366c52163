"""Many concurrent callers: equality of answers with those of each photo alone, and bounded memory.

    python -m benchmarks.studies.crowd FOLDER [--calls 2000] [--callers 64] [--model 4]

The folder's photos are scaled to many sizes and shapes. Each is first sent alone, then all calls are made by the
callers, one connection per call as in the app. The exit status is 0 if all of this holds:

- Every answer is 200, with the same rectangles and landmarks as alone.
- No confidence or descriptor value differs by more than the rounding of a batch.
- The peak memory is within FACE_MEMORY, and neither the peak nor the minimum grew from the first quarter of the calls
  to the last.

Memory is that of the service's process tree (benchmarks/processes/process_tree.py).
"""

import argparse
import json
import math
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import httpx
import numpy as np

from benchmarks.harness.corpus import photos_in
from benchmarks.harness.http_calls import post
from benchmarks.processes.process_tree import resident_memory
from benchmarks.processes.running import Service, serving
from service.memory.capacity import (
    memory,
)  # FACE_MEMORY with its default; `/info` only has the kernel's limit
from service.settings import load

MEGAPIXELS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 0.1, 0.2, 0.3, 0.5, 0.8, 2.0, 0.1, 0.2, 0.3, 0.5, 0.8, 4.0, 8.2)
"""Sizes of the photos, cyclic: mostly small ones, so that thousands take minutes."""
PHOTOS = 95
"""Number of different photos."""
SHAPES = (1.0, 1.1, 0.9)
"""Horizontal stretch of the photos, cyclic, so that nearly every photo has a different size."""
DRIFT = 1e-5
"""Tolerance of a descriptor value or a confidence against the photo alone."""
QUARTERS = 4
"""Parts of the calls, each with the same photos in the same order."""
GROWTH = 1.05
"""Bound on the last quarter's memory over the first's, for peak and minimum. The peak depends on which large photos
coincide; the minimum is retained memory, where a leak shows first."""
SAMPLED = 0.5
"""Seconds between two memory samples: one of a tree of five processes takes up to 50 ms."""


@dataclass
class Findings:
    """Results of the concurrent calls."""

    failed: list[str] = field(default_factory=list)
    moved: int = 0
    """Answers with different faces, rectangles or landmarks than alone."""
    drift: float = 0.0
    """Largest difference of a descriptor value or a confidence."""
    seconds: list[float] = field(default_factory=list)
    """Latency of each call."""


class MemoryRange(NamedTuple):
    """Minimum and peak memory of the process tree in MiB over a quarter of the calls."""

    least: float
    peak: float

    def __str__(self) -> str:
        return f"{self.least:.0f} to {self.peak:.0f} MiB"


class MinimumMemory:
    """Minimum resident memory of a process tree, sampled in a thread within the context."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._least = math.inf
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample)

    def __enter__(self) -> None:
        self._sampler.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._sampler.join()

    def forget(self) -> float:
        """Return the minimum in MiB since the last call, and start a new one."""
        least, self._least = self._least, math.inf
        return least

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLED):
            self._least = min(self._least, resident_memory(self._process))


def variants(folder: Path) -> list[bytes]:
    """`PHOTOS` JPEGs of the folder's photos in different sizes."""
    paths = photos_in(folder)
    made = []
    for number in range(PHOTOS):
        image = cv2.imread(str(paths[number % len(paths)]))
        if image is None:
            raise SystemExit(f"{paths[number % len(paths)]} is not readable: remove it")
        pixels = 1e6 * MEGAPIXELS[number % len(MEGAPIXELS)]
        wider = SHAPES[number % len(SHAPES)]
        scale = (pixels / (image.shape[0] * image.shape[1] * wider)) ** 0.5
        size = (round(image.shape[1] * scale * wider), round(image.shape[0] * scale))
        made.append(cv2.imencode(".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA))[1].tobytes())
    return made


def compare(found: Findings, answer: Any, alone: Any) -> None:
    """Add the difference of an answer from that of the photo alone."""
    (exact, inexact), (exact_alone, inexact_alone) = _split(answer), _split(alone)
    if exact != exact_alone:
        found.moved += 1
    elif len(inexact):
        found.drift = max(found.drift, float(np.abs(inexact - inexact_alone).max()))


def _split(answer: Any) -> tuple[list[Any], np.ndarray[Any, np.dtype[np.float64]]]:
    """Values that must be equal, and values that may differ by rounding."""
    faces = answer["faces"]
    exact = [(face["left"], face["top"], face["right"], face["bottom"], face["landmarks"]) for face in faces]
    return exact, np.array([[face["detection_confidence"], *face["descriptor"]] for face in faces])


def crowd(
    client: httpx.Client,
    service: Service,
    photos: Sequence[bytes],
    alone: Sequence[Any],
    calls: int,
    callers: int,
) -> tuple[Findings, list[MemoryRange]]:
    """Make the calls, and return their results and the memory over each quarter."""
    found, quarters, least = Findings(), list[MemoryRange](), MinimumMemory(service.process.pid)
    order = random.Random(0)
    quarter = [order.randrange(len(photos)) for _ in range(calls // QUARTERS)]
    photo_numbers: Iterator[int] = iter(quarter * QUARTERS)
    lock = threading.Lock()

    def caller() -> None:
        while True:
            with lock:
                number = next(photo_numbers, None)
            if number is None:
                return
            start = time.perf_counter()
            try:
                answer = post(client, photos[number])
                failure = (
                    "" if answer.status_code == httpx.codes.OK else f"{answer.status_code} {answer.text}"
                )
            except httpx.TransportError as error:
                failure = repr(error)
            with lock:
                found.seconds.append(time.perf_counter() - start)
                if failure:
                    found.failed.append(failure)
                else:
                    compare(found, answer.json(), alone[number])
                if len(found.seconds) % len(quarter) == 0:
                    quarters.append(MemoryRange(least.forget(), service.peak_memory(forget=True)))
                    print(
                        f"{len(found.seconds)} calls, {len(found.failed)} failed; {quarters[-1]}", flush=True
                    )

    with least, ThreadPoolExecutor(callers) as pool:
        for running in [pool.submit(caller) for _ in range(callers)]:
            running.result()
    return found, quarters


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.crowd", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--model", type=int, default=4)
    options = parser.parse_args()
    photos = variants(options.folder)
    bound = memory(load()) / 2**20
    environment = {"FACE_MODEL": str(options.model), "FACE_LOG_LEVEL": "warning"}
    with serving(environment) as (service, client):
        start = time.perf_counter()
        answers = [post(client, photo) for photo in photos]
        alone = len(photos) / (time.perf_counter() - start)
        for answer in answers:
            answer.raise_for_status()
        # Buffers that many callers need are allocated before the first memory measurement.
        with ThreadPoolExecutor(options.callers) as pool:
            for answer in pool.map(lambda photo: post(client, photo), photos):
                answer.raise_for_status()
        first = service.peak_memory(forget=True)
        print(f"alone: {len(photos)} photos, {alone:.2f} a second; {first:.0f} MiB", flush=True)
        start = time.perf_counter()
        found, quarters = crowd(
            client, service, photos, [answer.json() for answer in answers], options.calls, options.callers
        )
        together = len(found.seconds) / (time.perf_counter() - start)
    middle, late = np.quantile(found.seconds, [0.5, 0.99])
    print(
        json.dumps(
            {
                "calls": len(found.seconds),
                "callers": options.callers,
                "cores": len(os.sched_getaffinity(0)),
                "failed": len(found.failed),
                "answers that moved": found.moved,
                "largest drift": found.drift,
                "photos a second alone and together": [round(alone, 2), round(together, 2)],
                "seconds of a call, median and p99": [round(float(middle), 2), round(float(late), 2)],
                "memory of each quarter": [str(quarter) for quarter in quarters],
                "bound, MiB": round(bound),
            },
            indent=1,
        )
    )
    for failure in found.failed[:10]:
        print(failure, file=sys.stderr)
    held = max(first, *(quarter.peak for quarter in quarters)) <= bound and all(
        late <= GROWTH * early for early, late in zip(quarters[0], quarters[-1], strict=True)
    )
    return 0 if not found.failed and not found.moved and found.drift <= DRIFT and held else 1


if __name__ == "__main__":
    sys.exit(main())
