"""Whether HOG confirms the same faces as dlib's: `python -m benchmarks.hog_verdicts FOLDER`.

Every photo is also turned, sheared, blurred and darkened, for there the CNN finds faces that HOG does not. The CNN
runs as in the service; the truth is dlib's own HOG detector and a plain comparison of boxes. Both ways of the
service are held against it: the search around the faces, and the whole scan. The exit code is 0 when all is equal,
1 when something is not, 2 when there was nothing to compare.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import corpus
from service.images import decoding
from service.recognition import hog_filters
from service.recognition.cores import Cores
from service.recognition.geometry import Rectangle, intersection_over_union
from service.recognition.hog import HogDetector
from service.recognition.models import MODELS
from service.recognition.opening import open_recognizer
from service.settings import LARGEST_ORIGINAL

Image = NDArray[np.uint8]
OVERLAP = 0.35
NEAR = (0.30, 0.40)
"""Best overlaps that a small error could push across the bound."""


def _warped(matrix: Callable[[int, int], Any]) -> Callable[[Image], Image]:
    def warp(image: Image) -> Image:
        rows, columns = image.shape[:2]
        return cv2.warpAffine(image, matrix(rows, columns), (columns, rows)).astype(np.uint8, copy=False)

    return warp


def _turned(degrees: float) -> Callable[[Image], Image]:
    return _warped(lambda rows, columns: cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1))


_SHEARED = _warped(lambda rows, columns: np.array([[1, 0.3, -0.15 * rows], [0, 1, 0.0]]))

CHANGES: Mapping[str, Callable[[Image], Image]] = MappingProxyType(
    {
        "as it is": lambda image: image,
        "turned by 18 degrees": _turned(18),
        "turned by 28 degrees": _turned(-28),
        "turned by 35 degrees": _turned(35),
        "turned by 45 degrees": _turned(-45),
        "sheared": _SHEARED,
        "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 3.5).astype(np.uint8, copy=False),
        "blurred more": lambda image: cv2.GaussianBlur(image, (0, 0), 6).astype(np.uint8, copy=False),
        "dark": lambda image: (image // 10).astype(np.uint8),
        "darker": lambda image: (image // 25).astype(np.uint8),
        "flattened": _warped(lambda rows, columns: np.array([[1, 0, 0], [0, 0.6, 0.2 * rows]])),
        "sheared and turned": lambda image: _turned(20)(_SHEARED(image)),
    }
)


@dataclass
class Outcome:
    photos: int = 0
    faces: int = 0
    confirmed: int = 0
    near: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of each photo, by who computed: dlib, the whole scan, the search around faces, and what the service picks."""

    def add(self, name: str, dlibs: list[Rectangle], scanned: list[Rectangle]) -> None:
        if scanned != dlibs:
            self.problems.append(f"{name}: the scan has {scanned}, dlib {dlibs}")

    def add_verdicts(self, name: str, best: list[float], by: str, verdicts: list[bool]) -> None:
        for overlap, verdict in zip(best, verdicts, strict=True):
            if (overlap >= OVERLAP) != verdict:
                self.problems.append(
                    f"{name}: {by} says {verdict} where dlib's best overlap is {overlap:.3f}"
                )


def changed(path: Path, largest: float) -> Iterator[tuple[str, Image]]:
    """A photo, scaled down to `largest` megapixels, in all changes."""
    image = decoding.decode(path.read_bytes(), maximum_area=LARGEST_ORIGINAL, honour_orientation=True)
    scale = min(1.0, (largest * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5)
    size = (int(image.shape[1] * scale), int(image.shape[0] * scale))
    if scale < 1:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for change, make in CHANGES.items():
        yield f"{path.name}, {change}", np.ascontiguousarray(make(image))


def compare(paths: list[Path], store: Path, largest: float, threads: int) -> Outcome:
    """Run all photos in all changes through both."""
    outcome = Outcome()
    truth = dlib.get_frontal_face_detector()
    cores = Cores(threads)
    hog = HogDetector(hog_filters.load(), cores)
    recognizer = open_recognizer(MODELS[1], engine="onnx", store=store, workers=1, threads=threads)
    find = recognizer.engine.cnn_detections
    hog.confirm_locally(np.zeros((99, 99, 3), np.uint8), [Rectangle(0, 0, 60, 60)])
    for path in tqdm(paths, unit="photo", disable=None):
        try:
            pictures = list(changed(path, largest))
        except (decoding.UndecodableImage, decoding.ImageTooLarge) as error:
            print(f"not compared: {path.name}: {error}")
            continue
        outcome.photos += 1
        for name, image in pictures:
            faces = [face.rectangle for face in find(image)]
            if faces:
                _compare(outcome, name, image, faces, truth, hog)
    recognizer.close()
    cores.close()
    return outcome


def _compare(
    outcome: Outcome, name: str, image: Image, faces: list[Rectangle], truth: Any, hog: HogDetector
) -> None:
    def timed(what: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        outcome.seconds.setdefault(what, []).append(time.perf_counter() - start)
        return result

    found = timed("dlib", lambda: truth(image, 1))
    dlibs = [Rectangle(box.left(), box.top(), box.right(), box.bottom()) for box in found]
    best = [max((intersection_over_union(face, box) for box in dlibs), default=0.0) for face in faces]
    outcome.faces += len(faces)
    outcome.confirmed += sum(overlap >= OVERLAP for overlap in best)
    outcome.near += sum(NEAR[0] <= overlap < NEAR[1] for overlap in best)
    outcome.add(name, dlibs, timed("scan", lambda: hog(image)))
    outcome.add_verdicts(name, best, "search", timed("search", partial(hog.confirm_locally, image, faces)))
    outcome.add_verdicts(name, best, "choice", timed("choice", partial(hog.confirm, image, faces)))


def main() -> int:
    options = _options()
    paths = corpus.photos_in(options.folder)[: options.photos]
    outcome = compare(paths, options.store, options.megapixels, options.threads)
    print(
        f"{outcome.photos} photos, {outcome.faces} CNN faces, {outcome.faces - outcome.confirmed} of them "
        f"unconfirmed, {outcome.near} with a best overlap of {NEAR[0]} to {NEAR[1]}"
    )
    for what, seconds in outcome.seconds.items():
        ratios = [one / other for one, other in zip(outcome.seconds["dlib"], seconds, strict=True)]
        print(f"{what:7} {sum(seconds):7.1f} s, {statistics.median(ratios):.1f} times dlib's speed (median)")
    print("\n".join(outcome.problems) if outcome.problems else "all verdicts and boxes equal to dlib's")
    if not outcome.faces:
        return 2
    return 1 if outcome.problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hog_verdicts", description=__doc__)
    parser.add_argument("folder", type=Path, help="photos; folders in it are searched too")
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    parser.add_argument("--megapixels", type=float, default=0.8, help="larger photos are scaled down to it")
    parser.add_argument("--photos", type=int, help="no more than the first so many")
    parser.add_argument("--threads", type=int, default=0, help="cores for either; 0 for all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
