"""The time of `occ face:migrate` for one photo: `python -m benchmarks.migration PHOTO [--megapixels 12 24 48]`.

The photo is scaled to the sizes of originals. As the app does it, each face is a call of `/compute` of its own, one
after the other, with the whole original. Each size meets a fresh service. Prints the time of all calls and of the
median one, the CPU time and the peak memory of all processes of the service (benchmarks/processes.py).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks import processes, running
from benchmarks.throughput.load import post
from service.images import decoding

EDGES = ("left", "top", "right", "bottom")
SEARCHED_MEGAPIXELS = 2.0
"""Of the photo in which the faces are looked for."""
LARGEST = 10**9
"""Pixels of a photo that is read."""
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)
"""As of cameras: 0.4 MB per megapixel."""

Face = dict[str, int]


def scaled(photo: NDArray[np.uint8], megapixels: float) -> bytes:
    """A JPEG of RGB pixels, in another size."""
    scale = (1e6 * megapixels / (photo.shape[0] * photo.shape[1])) ** 0.5
    size = round(photo.shape[1] * scale), round(photo.shape[0] * scale)
    resized = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), QUALITY)[1].tobytes()


def faces_of(client: httpx.Client, photo: bytes) -> list[Face]:
    """Rectangles of the faces that the service finds."""
    found = post(client, photo).raise_for_status().json()["faces"]
    return [{edge: face[edge] for edge in EDGES} for face in found]


def migrate(client: httpx.Client, photo: bytes, faces: Sequence[Face]) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for face in faces:
        start = time.perf_counter()
        answer = client.post(
            "/compute", files={"file": ("original.jpg", photo, "image/jpeg")}, data={"face": json.dumps(face)}
        )
        seconds.append(time.perf_counter() - start)
        answer.raise_for_status()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migration", description=__doc__)
    parser.add_argument("photo", type=Path, help="with faces")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12, 24, 48])
    parser.add_argument("--faces", type=int, default=20, help="how many; those of the photo in turn")
    parser.add_argument("--model", type=int, default=4)
    given = parser.parse_args()
    photo = decoding.decode(given.photo.read_bytes(), maximum_area=LARGEST, honour_orientation=True)
    for megapixels in given.megapixels:
        original = scaled(photo, megapixels)
        enlarged = (megapixels / SEARCHED_MEGAPIXELS) ** 0.5
        with running.serving({"FACE_MODEL": str(given.model), "FACE_LOG_LEVEL": "warning"}) as (
            service,
            client,
        ):
            found = faces_of(client, scaled(photo, SEARCHED_MEGAPIXELS))
            if not found:
                raise SystemExit(f"model {given.model} finds no face in {given.photo}")
            faces = [
                {edge: round(value * enlarged) for edge, value in found[number % len(found)].items()}
                for number in range(given.faces)
            ]
            service.peak_memory(forget=True)
            before = processes.cpu_seconds(service.process.pid)
            seconds = migrate(client, original, faces)
            computing = processes.cpu_seconds(service.process.pid) - before
            peak = service.peak_memory()
        first, middle = 1000 * seconds[0], 1000 * statistics.median(seconds)
        print(
            f"{megapixels:g} MP, {len(original) / 1e6:.1f} MB, {given.faces} faces ({len(found)} found): "
            f"{sum(seconds):.2f} s, first {first:.0f} ms, median {middle:.0f} ms, "
            f"CPU {computing:.2f} s, peak {peak:.0f} MiB",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
