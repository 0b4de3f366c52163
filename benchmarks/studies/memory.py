"""Peak memory of one photo by model and size, compared with the estimate of admission control.

`python -m benchmarks.studies.memory PHOTO` measures each combination in its own process. FACE_STORE: the model store.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.harness.library import open_library
from benchmarks.processes.process_tree import peak_memory, resident_memory
from benchmarks.throughput import jpeg_uploads
from model_store.models import MODELS
from service.images import app_uploads
from service.recognition.geometry import Rectangle
from service.recognition.memory import recognition_bytes

DETECTED = (0.3, 1.2, 4.0, 8.3)
"""Megapixels of photos for `/detect`."""
ORIGINAL = 50.0
"""Megapixels of an original for `/compute`."""
MEBIBYTE = 1024**2


def measure(model: int, path: Path, megapixels: float, *, known: bool) -> tuple[float, float, float]:
    """Memory in MiB: before the photo, peak of the photo (decoded pixels included), and estimate.

    Args:
        model: FACE_MODEL.
        path: the photo.
        megapixels: area to scale it to.
        known: the face's rectangle is given, and no detector runs.
    """
    recognizer = open_library(Path(os.environ.get("FACE_STORE") or "models"), model)
    (photo,) = jpeg_uploads.chosen([path], 1, lambda _: ())
    image = app_uploads.scaled(photo.image, megapixels)
    del photo
    own = os.getpid()
    peak_memory(own, forget=True)
    before = resident_memory(own) - image.nbytes / MEBIBYTE
    rows, columns, _ = image.shape
    centre = Rectangle(columns // 3, rows // 3, 2 * columns // 3, 2 * rows // 3)
    recognizer.recognize(image, [centre] if known else None)
    estimate = recognition_bytes(MODELS[model], rows, columns, known=known) / MEBIBYTE
    return before, peak_memory(own) - before, estimate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.memory", description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--models", type=int, nargs="+", default=[1, 3, 4])
    given = parser.parse_args()
    combinations = [(model, size, False) for model in given.models for size in DETECTED]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for model, size, known in [*combinations, (given.models[-1], ORIGINAL, True)]:
            before, used, estimate = pool.submit(measure, model, given.photo, size, known=known).result()
            print(
                f"model {model}, {size:4.1f} MP, {'known' if known else 'searched':8}: before {before:4.0f} MiB, "
                f"photo {used:4.0f} MiB, estimated {estimate:4.0f} MiB",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
