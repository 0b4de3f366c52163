"""What another JPEG decoder means for who switches without scanning again: the same photos, decoded twice.

    python -m benchmarks.decoder_switch FOLDER --weights models/weights [--detector cnn]

Stored descriptors came from the pixels of the dlib that is installed here (dlib-bin bundles IJG's libjpeg), new ones
come from the pixels of this service (libjpeg-turbo). dlib computes both, so that only the pixels differ. Where the
folder says which photos show one person (benchmarks/corpus.py), the widest face of each photo counts.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import corpus
from benchmarks.corpus import Pair
from benchmarks.faces import AnsweredFace, distance, matched
from service.images.decoding import decode
from service.recognition.geometry import Rectangle
from service.recognition.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS
from service.recognition.recognizer import HOG_CONFIDENCE

JPEG = b"\xff\xd8\xff"
SAME_PERSON = 0.4
"""The app's default sensitivity: below this distance two faces are of one person."""
LIMITS = (0.1, 0.2, SAME_PERSON)


class Dlib:
    """dlib's own detector, five landmarks and descriptor."""

    def __init__(self, weights: Path, detector: str) -> None:
        self._cnn = None
        if detector == "cnn":
            self._cnn = dlib.cnn_face_detection_model_v1(str(weights / f"{CNN_DETECTOR}.dat"))
        self._hog = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(weights / f"{FIVE_POINTS}.dat"))
        self._network = dlib.face_recognition_model_v1(str(weights / f"{DLIB_RESNET}.dat"))

    def faces(self, pixels: NDArray[np.uint8]) -> list[AnsweredFace]:
        if self._cnn is not None:
            found = [(face.rect, face.confidence) for face in self._cnn(pixels, 0)]
        else:
            found = [(rectangle, HOG_CONFIDENCE) for rectangle in self._hog(pixels, 1)]
        return [self._face(pixels, rectangle, confidence) for rectangle, confidence in found]

    def _face(self, pixels: NDArray[np.uint8], rectangle: dlib.rectangle, confidence: float) -> AnsweredFace:
        shape = self._landmarks(pixels, rectangle)
        descriptor = self._network.compute_face_descriptor(pixels, shape)
        edges = (rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())
        points = tuple((point.x, point.y) for point in shape.parts())
        return AnsweredFace(Rectangle(*edges), confidence, points, tuple(descriptor))


def print_faces(stored: Mapping[str, list[AnsweredFace]], new: Mapping[str, list[AnsweredFace]]) -> None:
    pairs = [pair for name in stored for pair in matched(stored[name], new[name])]
    counts = sum(map(len, stored.values())), sum(map(len, new.values()))
    print(f"photos {len(stored)}, faces {counts[0]} and {counts[1]}, in both {len(pairs)}")
    shifts = [np.linalg.norm(np.subtract(old.landmarks, now.landmarks), axis=1).max() for old, now in pairs]
    distances = np.array([distance(old, now) for old, now in pairs])
    for name, values in (("landmark shift, px", shifts), ("descriptor distance", distances)):
        median, p95, most = np.percentile(values, [50, 95, 100])
        print(f"{name}: median {median:.3f}, 95 % {p95:.3f}, most {most:.3f}")
    print(", ".join(f"above {limit}: {(distances > limit).sum()}" for limit in LIMITS))


def print_pairs(
    pairs: Sequence[Pair], stored: Mapping[str, list[AnsweredFace]], new: Mapping[str, list[AnsweredFace]]
) -> None:
    def widest(faces: list[AnsweredFace]) -> AnsweredFace:
        return max(faces, key=lambda face: face.rectangle.right - face.rectangle.left)

    usable = {name for name in stored if stored[name] and new[name]}
    counts: dict[str, list[int]] = {}
    for pair in pairs:
        if {pair.first, pair.second} <= usable:
            face = widest(stored[pair.first])
            before = distance(face, widest(stored[pair.second])) < SAME_PERSON
            after = distance(face, widest(new[pair.second])) < SAME_PERSON
            count = counts.setdefault("same person" if pair.same else "different people", [0, 0, 0, 0])
            for index, value in enumerate((True, before, after, before != after)):
                count[index] += value
    for name, (number, before_count, after_count, crossed) in counts.items():
        print(
            f"{name}: {number} pairs, below {SAME_PERSON}: {before_count} stored with stored, "
            f"{after_count} stored with new, crossed {crossed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="photos; its JPEGs count")
    parser.add_argument("--weights", type=Path, required=True, help="folder of dlib's .dat files")
    parser.add_argument("--detector", choices=["hog", "cnn"], default="hog")
    parser.add_argument(
        "--maximum-area", type=int, default=2_100_000, help="leave larger photos out (pixels)"
    )
    arguments = parser.parse_args()

    reference = Dlib(arguments.weights, arguments.detector)
    photos = corpus.read(arguments.folder)
    stored, new = {}, {}
    for path in tqdm(photos.photos, disable=None):
        data = path.read_bytes()
        if not data.startswith(JPEG):
            continue
        theirs = dlib.load_rgb_image(str(path))
        height, width, _ = theirs.shape
        if height * width <= arguments.maximum_area:
            name = photos.name(path)
            stored[name] = reference.faces(theirs)
            ours = decode(data, maximum_area=arguments.maximum_area, honour_orientation=False)
            new[name] = reference.faces(ours)
    print_faces(stored, new)
    print_pairs(photos.pairs, stored, new)


if __name__ == "__main__":
    main()
