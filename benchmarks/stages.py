"""Each stage against dlib in the same process, on the same cores, turn by turn.

    python -m benchmarks.stages PHOTO [PHOTO ...] --threads 2 --megapixels 1.2 4 [--rounds 5] [--json FILE]

A BLAS has threads of its own (OPENBLAS_NUM_THREADS): with two, OpenBLAS is bistable on some machines, and a descriptor
takes 12 ms or 27 for minutes. Compare with the better number of threads, too.

Which dlib is compared is the one that is installed: built from source with a BLAS, or the wheels of dlib-bin, which
have none and are several times slower. Both sides are held to the same cores. A round gives each side one turn, of a
second or of one call where that takes longer; reported are the medians, the quartiles, and the median of the rounds'
ratios, which a busy machine moves least.

Besides: the share of the machine's matrix multiplication that the detector's network reaches, operations counted on
dlib's own network; and of a service with converted models, seconds until `/ready` and its peak memory.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.reference import dlib_library
from benchmarks.running import serving
from conversion.layers import ConvSpec
from conversion.topologies import DETECTOR
from model_store import manifest
from model_store.store import WeightStore
from service import images
from service.recognition import pyramid
from service.recognition.engines.protocol import CHIP_PADDING, CHIP_SIDE
from service.recognition.levels import Pyramids
from service.recognition.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS, MODELS
from service.recognition.opening import open_recognizer
from service.recognition.pyramid import Layout
from service.recognition.runtime import onnxruntime
from service.recognition.scan import score_maps
from service.recognition.sessions import Session

Image = NDArray[np.uint8]
LARGEST = (2160, 3840)
"""Rows and columns of the largest photo that the app sends (settings.maximum_area)."""
TURN = 1.0
"""Seconds that a turn takes at least: its calls are repeated, and their median counts. The first one finds caches and
cores as the other side left them, whose BLAS may still be spinning; a call of seconds does not feel that."""
MATRIX = 2048
"""Rows of the matrices of the peak: large enough for every BLAS, and 50 MB in all."""


@dataclass(frozen=True)
class Row:
    """One stage on one photo, in seconds."""

    stage: str
    ours: float
    dlibs: float
    ratio: float
    """How many times dlib's time ours is shorter: the median of the rounds."""
    quartiles: tuple[float, float]
    """Of the rounds' ratios."""

    def __str__(self) -> str:
        low, high = self.quartiles
        return (
            f"{self.stage:34} {1e3 * self.ours:9.1f} {1e3 * self.dlibs:10.1f}"
            f" {self.ratio:7.1f}x  ({low:.1f} to {high:.1f})"
        )


class Dlib:
    """The reference pipeline, dlib called as upstream's service calls it."""

    def __init__(self, store: WeightStore) -> None:
        import dlib  # counts the cores as it is loaded: after they were chosen

        self._module = dlib
        self.cnn = partial(
            dlib.cnn_face_detection_model_v1(str(store.path(CNN_DETECTOR))), upsample_num_times=0
        )
        self.hog = partial(dlib.get_frontal_face_detector(), upsample_num_times=1)
        self.landmarks = dlib.shape_predictor(str(store.path(FIVE_POINTS)))
        self.network = dlib.face_recognition_model_v1(str(store.path(DLIB_RESNET)))

    def recognize(self, model: int, image: Image) -> list[Any]:
        """Faces of model 3 or 4; what the scans give is all computed, the confirming comparison is free."""
        if model == 4:
            rectangles = [face.rect for face in self.cnn(image)]
            if rectangles:
                self.hog(image)
        else:
            rectangles = list(self.hog(image))
        shapes = [self.landmarks(image, rectangle) for rectangle in rectangles]
        return [self.network.compute_face_descriptor(image, shape) for shape in shapes]

    def descriptors(self, chips: Image) -> Any:
        return self.network.compute_face_descriptor(list(chips))

    def chip(self, image: Image) -> Image:
        """A chip of the surest face, or of the middle of a photo without one."""
        found = self.cnn(image)
        rows, columns = image.shape[:2]
        rectangle = found[0].rect if found else self._module.rectangle(0, 0, columns - 1, rows - 1)
        shape = self.landmarks(image, rectangle)
        chip: Image = self._module.get_face_chip(image, shape, size=CHIP_SIDE, padding=CHIP_PADDING)
        return chip


def compared(stage: str, ours: Callable[[], object], dlibs: Callable[[], object], rounds: int) -> Row:
    """Both sides in turn, after one round that is not counted."""
    seconds = np.array([[_turn(side) for side in (ours, dlibs)] for _ in range(rounds + 1)])[1:]
    ratios = seconds[:, 1] / seconds[:, 0]
    low, high = np.quantile(ratios, [0.25, 0.75])
    ours_median, dlibs_median = (float(median) for median in np.median(seconds, axis=0))
    return Row(stage, ours_median, dlibs_median, float(np.median(ratios)), (float(low), float(high)))


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Every stage of the table."""
    store = WeightStore(options.store)
    dlib = Dlib(store)
    opened = {
        number: open_recognizer(
            MODELS[number], engine="onnx", store=options.store, workers=1, threads=options.threads
        )
        for number in (1, 3, 4)
    }
    for recognizer in opened.values():
        recognizer.warm_up()
    photos = [_read(path) for path in options.photos]

    network = Session(manifest.graph_path(options.store, DLIB_RESNET), options.threads)
    chip = dlib.chip(scaled(photos[0], 0.3))
    for faces in (1, 32):
        chips = np.stack([chip] * faces)
        yield compared(
            f"descriptor, batch {faces}",
            partial(network.run, chips),
            partial(dlib.descriptors, chips),
            options.rounds,
        )
    for path, photo in zip(options.photos, photos, strict=True):
        for megapixels in options.megapixels:
            image = scaled(photo, megapixels)
            name = f"{path.stem[:14]} {megapixels:g} MP"
            detect = opened[1]._engine.cnn_detections  # the stage alone, without landmarks
            yield compared(f"CNN, {name}", partial(detect, image), partial(dlib.cnn, image), options.rounds)
            for model in options.models:
                yield compared(
                    f"model {model}, {name}, {len(opened[model].recognize(image))} faces",
                    partial(opened[model].recognize, image),
                    partial(dlib.recognize, model, image),
                    options.rounds,
                )
    for recognizer in opened.values():
        recognizer.close()


def share_of_peak(options: argparse.Namespace) -> tuple[float, float]:
    """The machine's matrix multiplication in FLOP a second, and the detector's network's share of it."""
    facts = manifest.load(options.store, CNN_DETECTOR).detector
    layout = pyramid.layout(1000, 1200)
    if facts is None or layout is None:
        raise ValueError("the store's detector was not converted by this version")
    session = Session(manifest.graph_path(options.store, CNN_DETECTOR), options.threads)
    image = np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), dtype=np.uint8)
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    peaks, shares = [], []
    with closing(Pyramids(np.array(facts.mean, np.float32), options.threads)) as pyramids:
        for _ in range(options.rounds + 1):
            peak = 2 * MATRIX**3 / _seconds(lambda: matrix @ matrix)
            spent: list[float] = []

            def compute(output: str, given: Any, spent: list[float] = spent) -> NDArray[np.float32]:
                start = time.perf_counter()
                result = session.compute(output, given)
                spent.append(time.perf_counter() - start)
                return result

            score_maps(compute, [image], layout, pyramids)
            peaks.append(peak)
            shares.append(operations(layout) / sum(spent) / peak)
    return float(np.median(peaks[1:])), float(np.median(shares[1:]))


def operations(layout: Layout) -> int:
    """Floating-point operations of dlib's own network on a tile, unpadded: 26.9e9 for a megapixel of photo."""
    total, height, width = 0, layout.rows, layout.columns
    for spec in DETECTOR:
        if isinstance(spec, ConvSpec):
            height, width = (
                (size + 2 * spec.padding - spec.kernel) // spec.stride + 1 for size in (height, width)
            )
            total += 2 * height * width * spec.filters * spec.channels * spec.kernel**2
    return total


def start_and_memory(store: Path, photo: Image) -> tuple[float, float]:
    """Seconds until a service of model 4 is ready, and its peak memory in MiB with the photo at the largest size."""
    rows, columns = LARGEST
    encoded = cv2.imencode(".jpg", cv2.resize(photo, (columns, rows))[:, :, ::-1])[1].tobytes()
    start = time.monotonic()
    with serving({"FACE_STORE": str(store.resolve()), "FACE_MODEL": "4"}) as (service, client):
        ready = time.monotonic() - start
        client.post("/detect", files={"file": ("photo.jpg", encoded)}).raise_for_status()
        return ready, service.peak_memory()


def scaled(image: Image, megapixels: float) -> Image:
    factor = (megapixels * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=kind), np.uint8)


def _read(path: Path) -> Image:
    return images.decode(path.read_bytes(), maximum_area=10**9, honour_orientation=True)


def _turn(call: Callable[[], object]) -> float:
    end = time.perf_counter() + TURN
    seconds = [_seconds(call)]
    while time.perf_counter() < end:
        seconds.append(_seconds(call))
    return float(np.median(seconds))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> int:
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < options.threads:
        print(f"{options.threads} threads were asked for, and there are {len(cores)} cores", file=sys.stderr)
        return 2
    if len(cores) > options.threads:
        # Libraries count the cores when they are loaded: choose them, and start anew.
        os.sched_setaffinity(0, cores[: options.threads])
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.stages", *sys.argv[1:]])

    ready, memory = start_and_memory(options.store, _read(options.photos[0]))
    print(f"{options.threads} threads; onnxruntime {onnxruntime.__version__}, dlib {dlib_library().parent}")
    print(f"{'':34} {'ours, ms':>9} {'dlib, ms':>10}   ratio  (quartiles)")
    found = []
    for row in rows(options):
        print(row, flush=True)
        found.append(row)
    peak, share = share_of_peak(options)
    print(f"matrix multiplication {peak / 1e9:.0f} GFLOP/s; the detector's network reaches {share:.0%} of it")
    print(f"ready after {ready:.1f} s; at most {memory:.0f} MiB at {LARGEST[0] * LARGEST[1] / 1e6:.1f} MP")
    if options.json:
        figures = {"peak": peak, "share": share, "ready": ready, "memory": memory}
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in found], **figures}, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--megapixels", type=float, nargs="+", default=[1.2], help="photos are scaled to these"
    )
    parser.add_argument("--models", type=int, nargs="*", choices=(3, 4), default=[4, 3])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    parser.add_argument("--json", type=Path, help="the figures, for a report")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
