"""Many callers at once: is each answer the one that its photo gets alone, and does the memory stay where it is?

    python -m benchmarks.studies.crowd FOLDER [--calls 2000] [--callers 64] [--model 4]

The folder's photos are scaled to many sizes and shapes. Each is posted alone first; then so many calls are made by so
many callers, one connection each as the app makes them. The exit code is 0 when every answer is 200, every rectangle
and landmark is the one from before, no descriptor is further away than a batch's rounding, and the memory's peak is
under FACE_MEMORY, and peak and least memory are in the last quarter of the calls what they were in the first. Memory is
that of all processes of the service; the peak is the sum of each one's own (benchmarks/harness/processes.py).
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
from benchmarks.harness.processes import resident_memory
from benchmarks.harness.running import Service, serving
from service.memory.capacity import memory
from service.settings import load

MEGAPIXELS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 0.1, 0.2, 0.3, 0.5, 0.8, 2.0, 0.1, 0.2, 0.3, 0.5, 0.8, 4.0, 8.2)
"""Of the photos in turn: mostly small ones, so that thousands are done in minutes."""
PHOTOS = 95
"""How many different ones are sent."""
SHAPES = (1.0, 1.1, 0.9)
"""How much wider than it is a photo is made, in turn: nearly every photo then has a size of its own."""
DRIFT = 1e-5
"""The most that a value of a descriptor or a confidence may differ from the one of the photo alone."""
QUARTERS = 4
"""Of the calls, each with the same photos in the same order."""
GROWTH = 1.05
"""The last quarter's memory over the first's, both its peak and its least. The peak is a matter of which large photos
meet; the least is what has been kept: memory that leaks shows there first."""
SAMPLED = 0.5
"""Seconds between two looks at the memory: one of a tree of five processes takes up to 50 ms."""


@dataclass
class Findings:
    """What the calls of the crowd gave."""

    failed: list[str] = field(default_factory=list)
    moved: int = 0
    """Answers with other faces, rectangles or landmarks than alone."""
    drift: float = 0.0
    """The largest difference of a descriptor's value or of a confidence."""
    seconds: list[float] = field(default_factory=list)
    """Of each call."""


class Memory(NamedTuple):
    """MiB of the service's process tree over a quarter of the calls."""

    least: float
    peak: float

    def __str__(self) -> str:
        return f"{self.least:.0f} to {self.peak:.0f} MiB"


class Least:
    """The least resident memory of a process tree, sampled between entering and leaving it."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._least = math.inf
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)

    def __enter__(self) -> None:
        self._looking.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()

    def forget(self) -> float:
        """MiB since this was last asked."""
        least, self._least = self._least, math.inf
        return least

    def _look(self) -> None:
        while not self._over.wait(SAMPLED):
            self._least = min(self._least, resident_memory(self._process))


def variants(folder: Path) -> list[bytes]:
    """JPEGs of the folder's photos, in `PHOTOS` sizes."""
    paths = photos_in(folder)
    made = []
    for number in range(PHOTOS):
        image = cv2.imread(str(paths[number % len(paths)]))
        if image is None:
            raise SystemExit(f"{paths[number % len(paths)]} cannot be read: leave it out")
        pixels = 1e6 * MEGAPIXELS[number % len(MEGAPIXELS)]
        wider = SHAPES[number % len(SHAPES)]
        scale = (pixels / (image.shape[0] * image.shape[1] * wider)) ** 0.5
        size = (round(image.shape[1] * scale * wider), round(image.shape[0] * scale))
        made.append(cv2.imencode(".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA))[1].tobytes())
    return made


def compare(found: Findings, answer: Any, alone: Any) -> None:
    """Note how an answer differs from that of the photo alone."""
    (places, numbers), (places_alone, numbers_alone) = _parted(answer), _parted(alone)
    if places != places_alone:
        found.moved += 1
    elif len(numbers):
        found.drift = max(found.drift, float(np.abs(numbers - numbers_alone).max()))


def _parted(answer: Any) -> tuple[list[Any], np.ndarray[Any, np.dtype[np.float64]]]:
    """What has to be equal, and what may differ by rounding."""
    faces = answer["faces"]
    places = [(face["left"], face["top"], face["right"], face["bottom"], face["landmarks"]) for face in faces]
    return places, np.array([[face["detection_confidence"], *face["descriptor"]] for face in faces])


def crowd(
    client: httpx.Client,
    service: Service,
    photos: Sequence[bytes],
    alone: Sequence[Any],
    calls: int,
    callers: int,
) -> tuple[Findings, list[Memory]]:
    """What the calls gave, and the memory over each quarter of them."""
    found, quarters, least = Findings(), list[Memory](), Least(service.process.pid)
    order = random.Random(0)
    quarter = [order.randrange(len(photos)) for _ in range(calls // QUARTERS)]
    turns: Iterator[int] = iter(quarter * QUARTERS)
    noting = threading.Lock()

    def caller() -> None:
        while True:
            with noting:
                number = next(turns, None)
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
            with noting:
                found.seconds.append(time.perf_counter() - start)
                if failure:
                    found.failed.append(failure)
                else:
                    compare(found, answer.json(), alone[number])
                if len(found.seconds) % len(quarter) == 0:
                    quarters.append(Memory(least.forget(), service.peak_memory(forget=True)))
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
        with ThreadPoolExecutor(
            options.callers
        ) as pool:  # what is kept for many is there before it is looked at
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
