"""What another JPEG decoder means for who switches without scanning again: the same photos, decoded twice.

    python -m benchmarks.decoder_switch FOLDER --weights models/weights [--detector cnn] [--pairs pairs.csv]

Stored descriptors came from the pixels of the dlib that is installed here (dlib-bin bundles IJG's libjpeg), new ones
come from the pixels of this service (libjpeg-turbo). dlib computes both, so that only the pixels differ. `--pairs`
names a CSV with file_a, file_b and same (1 or 0); the widest face of each photo counts.
"""

import argparse
import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import dlib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from service.images import decode
from service.recognition.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS

JPEG = b"\xff\xd8\xff"
SAME_PERSON = 0.4
"""The app's default sensitivity: below this distance two faces are of one person."""
LIMITS = (0.1, 0.2, SAME_PERSON)
SAME_FACE = 0.5
"""Overlap (intersection over union) from which two boxes are of one face."""


class Face(NamedTuple):
    """A face in pixels of the array; `landmarks` (5, 2), `descriptor` (128,)."""

    rectangle: dlib.rectangle
    landmarks: NDArray[np.float64]
    descriptor: NDArray[np.float64]


class Dlib:
    """dlib's own detector, five landmarks and descriptor."""

    def __init__(self, weights: Path, detector: str) -> None:
        self._cnn = None
        if detector == "cnn":
            self._cnn = dlib.cnn_face_detection_model_v1(str(weights / f"{CNN_DETECTOR}.dat"))
        self._hog = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(weights / f"{FIVE_POINTS}.dat"))
        self._network = dlib.face_recognition_model_v1(str(weights / f"{DLIB_RESNET}.dat"))

    def faces(self, pixels: NDArray[np.uint8]) -> list[Face]:
        if self._cnn is not None:
            rectangles = [found.rect for found in self._cnn(pixels, 0)]
        else:
            rectangles = list(self._hog(pixels, 1))
        return [self._face(pixels, rectangle) for rectangle in rectangles]

    def _face(self, pixels: NDArray[np.uint8], rectangle: dlib.rectangle) -> Face:
        shape = self._landmarks(pixels, rectangle)
        descriptor = np.array(self._network.compute_face_descriptor(pixels, shape))
        return Face(rectangle, np.array([(point.x, point.y) for point in shape.parts()]), descriptor)


def overlap(a: dlib.rectangle, b: dlib.rectangle) -> float:
    common = a.intersect(b).area()
    return float(common / (a.area() + b.area() - common))


def matched(stored: Iterable[Face], new: Iterable[Face]) -> list[tuple[Face, Face]]:
    """Each stored face with the new one that overlaps it most, where one does enough."""
    candidates = list(new)
    pairs = []
    for face in stored:
        best = max(candidates, key=lambda other: overlap(face.rectangle, other.rectangle), default=None)
        if best is not None and overlap(face.rectangle, best.rectangle) >= SAME_FACE:
            pairs.append((face, best))
            candidates = [other for other in candidates if other is not best]
    return pairs


def print_faces(stored: Mapping[str, list[Face]], new: Mapping[str, list[Face]]) -> None:
    pairs = [pair for name in stored for pair in matched(stored[name], new[name])]
    counts = sum(map(len, stored.values())), sum(map(len, new.values()))
    print(f"photos {len(stored)}, faces {counts[0]} and {counts[1]}, in both {len(pairs)}")
    shifts = [np.linalg.norm(old.landmarks - now.landmarks, axis=1).max() for old, now in pairs]
    distances = np.array([np.linalg.norm(old.descriptor - now.descriptor) for old, now in pairs])
    for name, values in (("landmark shift, px", shifts), ("descriptor distance", distances)):
        median, p95, most = np.percentile(values, [50, 95, 100])
        print(f"{name}: median {median:.3f}, 95 % {p95:.3f}, most {most:.3f}")
    print(", ".join(f"above {limit}: {(distances > limit).sum()}" for limit in LIMITS))


def print_pairs(path: Path, stored: Mapping[str, list[Face]], new: Mapping[str, list[Face]]) -> None:
    def widest(faces: list[Face]) -> NDArray[np.float64]:
        return max(faces, key=lambda face: face.rectangle.width()).descriptor

    usable = {name for name in stored if stored[name] and new[name]}
    counts: dict[str, list[int]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if {row["file_a"], row["file_b"]} <= usable:
                a, b = widest(stored[row["file_a"]]), stored[row["file_b"]]
                before = bool(np.linalg.norm(a - widest(b)) < SAME_PERSON)
                after = bool(np.linalg.norm(a - widest(new[row["file_b"]])) < SAME_PERSON)
                count = counts.setdefault(
                    "same person" if row["same"] == "1" else "different people", [0, 0, 0, 0]
                )
                for index, value in enumerate((True, before, after, before != after)):
                    count[index] += value
    for name, (pairs, before_count, after_count, crossed) in counts.items():
        print(
            f"{name}: {pairs} pairs, below {SAME_PERSON}: {before_count} stored with stored, "
            f"{after_count} stored with new, crossed {crossed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="photos; its JPEGs count")
    parser.add_argument("--weights", type=Path, required=True, help="folder of dlib's .dat files")
    parser.add_argument("--detector", choices=["hog", "cnn"], default="hog")
    parser.add_argument("--pairs", type=Path, help="CSV of pairs of photos")
    parser.add_argument(
        "--maximum-area", type=int, default=2_100_000, help="leave larger photos out (pixels)"
    )
    arguments = parser.parse_args()

    reference = Dlib(arguments.weights, arguments.detector)
    stored, new = {}, {}
    for path in tqdm(sorted(arguments.folder.iterdir()), disable=None):
        data = path.read_bytes()
        if not data.startswith(JPEG):
            continue
        theirs = dlib.load_rgb_image(str(path))
        height, width, _ = theirs.shape
        if height * width <= arguments.maximum_area:
            stored[path.name] = reference.faces(theirs)
            ours = decode(data, maximum_area=arguments.maximum_area, honour_orientation=False)
            new[path.name] = reference.faces(ours)
    print_faces(stored, new)
    if arguments.pairs:
        print_pairs(arguments.pairs, stored, new)


if __name__ == "__main__":
    main()
