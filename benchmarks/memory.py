"""Peak memory of a process that works on one photo, by model and size, beside what admission reckons with.

`python -m benchmarks.memory PHOTO` (FACE_STORE names the model store) measures each case in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from benchmarks.library import open_library
from benchmarks.processes import peak_memory, resident_memory
from service.images import decoding
from service.recognition.geometry import Rectangle
from service.recognition.memory import needed
from service.recognition.models import MODELS

DETECTED = (0.3, 1.2, 4.0, 8.3)
"""Megapixels of photos as `/detect` gets them."""
ORIGINAL = 50.0
"""Megapixels of an original as `/compute` gets it."""
MEBIBYTE = 1024**2


def measure(model: int, photo: Path, megapixels: float, *, known: bool) -> dict[str, float]:
    """MiB of this process before a photo and at its peak, the decoded photo included; `known`: the face is given."""
    store = Path(os.environ.get("FACE_STORE") or "models")
    recognizer = open_library(store, model)
    whole = decoding.decode(photo.read_bytes(), maximum_area=10**9, honour_orientation=True)
    scale = (megapixels * 1e6 / (whole.shape[0] * whole.shape[1])) ** 0.5
    image = np.asarray(cv2.resize(whole, None, fx=scale, fy=scale), np.uint8)
    del whole
    own = os.getpid()
    peak_memory(own, forget=True)
    before = resident_memory(own) - image.nbytes / MEBIBYTE
    rows, columns, _ = image.shape
    centre = Rectangle(columns // 3, rows // 3, 2 * columns // 3, 2 * rows // 3)
    recognizer.recognize(image, [centre] if known else None)
    return {
        "before": before,
        "used": peak_memory(own) - before,
        "reckoned": needed(MODELS[model], rows, columns, known=known) / MEBIBYTE,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--models", type=int, nargs="+", default=[1, 3, 4])
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        model, megapixels, known = given.case
        print(json.dumps(measure(int(model), given.photo, float(megapixels), known=known == "known")))
        return 0
    cases = [(model, size, "searched") for model in given.models for size in DETECTED]
    for model, size, known in [*cases, (given.models[-1], ORIGINAL, "known")]:
        case = [str(model), str(size), known]
        command = [sys.executable, "-m", "benchmarks.memory", str(given.photo), "--case", *case]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout)
        print(
            f"model {model}, {size:4.1f} MP, {known:8}: before {figures['before']:4.0f} MiB, "
            f"photo {figures['used']:4.0f} MiB, reckoned {figures['reckoned']:4.0f} MiB",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
