"""Photos a second and memory against upstream's way of working: processes that each take one photo through dlib.

    python -m benchmarks.upstream FOLDER [--processes 2] [--megapixels 1.2] [--rounds 3]

Upstream runs `GUNICORN_WORKERS` processes; each decodes a photo, finds its faces with the CNN, describes them, finds
the HOG faces, and describes those as well, only to throw the descriptors away. That is done here without a web server
in between, which is to upstream's favour; ours answers over HTTP as many callers as there are processes. Both sides
use all cores; they take turns with the same photos, and the installed dlib is upstream's.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.corpus import photos_in
from benchmarks.crowd import post
from benchmarks.reference import dlib_library
from benchmarks.running import Service, serving
from benchmarks.stages import scaled
from model_store.store import WeightStore
from service.recognition.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS

_tools: dict[str, Any] = {}
"""dlib's objects, in each of upstream's processes."""


def _open(store: Path, all_there: Any) -> None:
    import dlib

    weights = WeightStore(store)
    _tools["load"] = dlib.load_rgb_image
    _tools["cnn"] = dlib.cnn_face_detection_model_v1(str(weights.path(CNN_DETECTOR)))
    _tools["hog"] = dlib.get_frontal_face_detector()
    _tools["landmarks"] = dlib.shape_predictor(str(weights.path(FIVE_POINTS)))
    _tools["network"] = dlib.face_recognition_model_v1(str(weights.path(DLIB_RESNET)))
    all_there.wait()


def _recognize(photo: Path) -> tuple[int, int, float]:
    """Upstream's model 4. The process's number, how many faces there are, and its memory's peak so far in MiB."""
    image = _tools["load"](str(photo))
    faces = [face.rect for face in _tools["cnn"](image)]
    described = list(faces)
    if faces:
        described += _tools["hog"](image, 1)
    for rectangle in described:
        _tools["network"].compute_face_descriptor(image, _tools["landmarks"](image, rectangle))
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line for line in status if line.startswith("VmHWM"))
    return os.getpid(), len(faces), int(peak.split()[1]) / 1024


def _theirs(pool: ProcessPoolExecutor, paths: Sequence[Path], peaks: dict[int, float]) -> tuple[float, int]:
    """Photos a second, and faces."""
    start = time.perf_counter()
    answers = list(pool.map(_recognize, paths))
    seconds = time.perf_counter() - start
    peaks.update({process: peak for process, _, peak in answers})
    return len(paths) / seconds, sum(faces for _, faces, _ in answers)


def _ours(client: Any, photos: Sequence[bytes], callers: int) -> tuple[float, int]:
    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        answers = list(pool.map(lambda photo: post(client, photo).raise_for_status(), photos))
        seconds = time.perf_counter() - start
    return len(photos) / seconds, sum(answer.json()["faces-count"] for answer in answers)


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, original in enumerate(photos_in(options.folder)):
            image = cv2.imread(str(original))
            if image is None:
                raise SystemExit(f"{original} cannot be read: leave it out")
            paths.append(Path(folder, f"{number}.jpg"))
            cv2.imwrite(str(paths[-1]), scaled(np.asarray(image, np.uint8), options.megapixels))
        settings = {
            "FACE_MODEL": "4",
            "FACE_STORE": str(options.store.resolve()),
            "FACE_LOG_LEVEL": "warning",
        }
        with serving(settings) as (service, client):
            return _compared(options, paths, service, client)


def _compared(options: argparse.Namespace, paths: Sequence[Path], service: Service, client: Any) -> int:
    photos = [path.read_bytes() for path in paths]
    spawning = multiprocessing.get_context("spawn")
    all_there = spawning.Barrier(options.processes)
    peaks: dict[int, float] = {}
    rates: list[tuple[float, float]] = []
    faces: set[tuple[int, int]] = set()
    with ProcessPoolExecutor(options.processes, spawning, _open, (options.store, all_there)) as pool:
        for round_ in range(options.rounds + 1):
            theirs, their_faces = _theirs(pool, paths, peaks)
            ours, our_faces = _ours(client, photos, options.processes)
            if round_:  # the first warms both up
                rates.append((theirs, ours))
            faces.add((their_faces, our_faces))
            print(f"upstream's way {theirs:.2f}, ours {ours:.2f} photos a second", flush=True)
        many, _ = _ours(client, photos * 2, 8)
    ratios = [ours / theirs for theirs, ours in rates]
    theirs, ours = np.median(rates, axis=0)
    memory = service.peak_memory()
    cores = len(os.sched_getaffinity(0))
    print(
        f"model 4, {len(photos)} photos of {options.megapixels:g} MP, {cores} cores, {options.processes} processes "
        f"of dlib ({dlib_library().parent}): {theirs:.2f} photos a second, {sum(peaks.values()):.0f} MiB;\n"
        f"ours, {options.processes} callers: {ours:.2f}, {memory:.0f} MiB; 8 callers: {many:.2f}\n"
        f"ratio {np.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}), "
        f"memory 1/{sum(peaks.values()) / memory:.1f}; faces theirs, ours: {sorted(faces)}"
    )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--megapixels", type=float, default=1.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
