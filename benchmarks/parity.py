"""Every photo of a folder against dlib: `python -m benchmarks.parity FOLDER`.

The service runs as a user runs it, once for each model, and gets each photo as a PNG, so that both sides see the
same pixels. Its answers are held against dlib called directly on the array. The exit code is 0 when all is
equal, 1 when something is not, 2 when there was nothing to compare.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import corpus, running
from benchmarks.reference import WEIGHTS, Reference, ReferenceFace, References
from model_store.store import WeightStore
from service import images
from service.recognition.geometry import Rectangle
from service.settings import ADVERTISED_AREA, LARGEST_ORIGINAL

MODELS = (1, 2, 3, 4)
"""Model 6 has weights that cannot be fetched; its network is proven by the converter's tests."""
CONFIDENCE_TOLERANCE = 1e-5
DESCRIPTOR_TOLERANCE = 1e-5
SAME_DESCRIPTOR = 1e-6
"""Between `/detect` and `/compute` of the same face: both by this service."""
GROUPING_CONFIDENCE = 0.99
"""Faces under it are never grouped by the app: a face that crosses it is a face lost or gained."""


@dataclass
class Parity:
    """What one model's answers over all photos came to."""

    photos: int = 0
    faces: int = 0
    problems: list[str] = field(default_factory=list)
    confidence: float = 0.0
    """Largest difference to dlib."""
    descriptor: float = 0.0
    """Largest difference of one of the 128 values to dlib."""
    crossings: int = 0
    """Faces on the other side of the app's confidence threshold than with dlib."""
    recomputed: int = 0
    """Faces that `/compute` was asked about."""
    compute: float = 0.0
    """Largest difference of one of the 128 values between `/detect` and `/compute`."""

    def add(self, photo: str, answer: Any, expected: Sequence[ReferenceFace]) -> None:
        """Hold one photo's `/detect` answer against dlib's faces, in dlib's order."""
        self.photos += 1
        self.faces += len(expected)
        faces = answer["faces"]
        if answer["faces-count"] != len(faces) or len(faces) != len(expected):
            self.problems.append(f"{photo}: {len(faces)} faces, dlib has {len(expected)}")
            return
        for number, (face, truth) in enumerate(zip(faces, expected, strict=True)):
            where = f"{photo}, face {number}"
            if rectangle_of(face) != truth.rectangle:
                self.problems.append(f"{where}: {rectangle_of(face)}, dlib has {truth.rectangle}")
            if tuple((point["x"], point["y"]) for point in face["landmarks"]) != truth.landmarks:
                self.problems.append(f"{where}: landmarks differ")
            confidence = abs(face["detection_confidence"] - truth.confidence)
            if not confidence <= CONFIDENCE_TOLERANCE:  # a NaN is a problem too
                self.problems.append(f"{where}: confidence differs by {confidence:.1e}")
            descriptor = largest_difference(face["descriptor"], truth.descriptor)
            if not descriptor <= DESCRIPTOR_TOLERANCE:
                self.problems.append(f"{where}: descriptor differs by {descriptor:.1e}")
            self.confidence = max(self.confidence, confidence)
            self.descriptor = max(self.descriptor, descriptor)
            self.crossings += (face["detection_confidence"] < GROUPING_CONFIDENCE) != (
                truth.confidence < GROUPING_CONFIDENCE
            )

    def add_computed(self, photo: str, face: Any, answer: Any) -> None:
        """Hold the `/compute` answer for a face of `/detect` against that face."""
        self.recomputed += 1
        difference = largest_difference(face["descriptor"], answer["face"]["descriptor"])
        self.compute = max(self.compute, difference)
        if not difference <= SAME_DESCRIPTOR or answer["face"]["landmarks"] != face["landmarks"]:
            self.problems.append(f"{photo}: /compute differs from /detect by {difference:.1e}")


@dataclass(frozen=True)
class Photo:
    name: str
    image: NDArray[np.uint8]
    """RGB, within the area that `/detect` takes."""


def rectangle_of(face: Any) -> Rectangle:
    return Rectangle(face["left"], face["top"], face["right"], face["bottom"])


def largest_difference(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.abs(np.subtract(first, second)).max())


def photos(paths: Iterable[Path], undecodable: list[str]) -> Iterator[Photo]:
    """Decode photos one by one; those larger than the advertised area are scaled down to it, as the app does."""
    for path in paths:
        try:
            image = images.decode(path.read_bytes(), maximum_area=LARGEST_ORIGINAL, honour_orientation=True)
        except (images.UndecodableImage, images.ImageTooLarge) as error:
            undecodable.append(f"{path.name}: {error}")
            continue
        yield Photo(path.name, _within_area(image))


def _within_area(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = image.shape[:2]
    scale = (ADVERTISED_AREA / (rows * columns)) ** 0.5
    if scale >= 1:
        return image
    size = (int(columns * scale), int(rows * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def as_png(image: NDArray[np.uint8]) -> bytes:
    written, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not written:
        raise ValueError(f"OpenCV cannot write a PNG of shape {image.shape}")
    return data.tobytes()


def detect(client: httpx.Client, png: bytes) -> Any:
    response = client.post("/detect", files={"file": ("/tmp/photo", png, "application/octet-stream")})
    return response.raise_for_status().json()


def compute(client: httpx.Client, png: bytes, face: Any) -> Any:
    known = {key: face[key] for key in ("left", "right", "top", "bottom", "detection_confidence")}
    response = client.post(
        "/compute", files={"file": ("photo.png", png, "image/png"), "face": (None, json.dumps(known))}
    )
    return response.raise_for_status().json()


def changed_by_upstream_rule(reference: Reference) -> int:
    """Faces of model 4 that the upstream service's overlap would confirm otherwise than the true one.

    Upstream (overlap_percent in facerecognition-external-model.py) takes the larger of the two right and bottom
    edges where the intersection ends at the smaller, so any touch of a larger box tends to confirm.
    """
    changed = 0
    for raw, judged in zip(reference.models[1], reference.models[4], strict=True):
        confirmed = judged.confidence == raw.confidence
        changed += confirmed != any(_upstream_overlap(raw.rectangle, hog) >= 0.35 for hog in reference.hog)
    return changed


def _upstream_overlap(first: Rectangle, second: Rectangle) -> float:
    if (
        first.left >= second.right
        or second.left >= first.right
        or first.top >= second.bottom
        or second.top >= first.bottom
    ):
        return 0.0
    shared = (max(first.right, second.right) - max(first.left, second.left)) * (
        max(first.bottom, second.bottom) - max(first.top, second.top)
    )
    areas = sum((box.right - box.left) * (box.bottom - box.top) for box in (first, second))
    return shared / (areas - shared) if areas != shared else math.inf


@dataclass
class Outcome:
    """A comparison of all models over the same photos."""

    models: dict[int, Parity]
    verdicts: int = 0
    """Faces that model 4 judged."""
    changed_by_upstream_rule: int = 0


def compare(
    photos: Iterable[Photo], references: References, models: Sequence[int], store: Path, processes: int
) -> Outcome:
    """Send every photo to a service of each model, and every face that comes back to `/compute`.

    Raises:
        running.ServiceDied: a service did not start.
        httpx.HTTPStatusError: a photo was answered with anything but 200.
    """
    outcome = Outcome({model: Parity() for model in models})
    with ExitStack() as stack:
        clients = {
            model: stack.enter_context(running.service({"FACE_MODEL": str(model), "FACE_STORE": str(store)}))
            for model in models
        }
        for photo, reference in references.of(photos, lambda photo: photo.image, processes):
            png = as_png(photo.image)
            outcome.verdicts += len(reference.models[4])
            outcome.changed_by_upstream_rule += changed_by_upstream_rule(reference)
            for model, client in clients.items():
                answer = detect(client, png)
                parity = outcome.models[model]
                parity.add(photo.name, answer, reference.models[model])
                for face in answer["faces"]:
                    parity.add_computed(photo.name, face, compute(client, png, face))
    return outcome


def main() -> int:
    options = _options()
    paths = corpus.photos_in(options.folder)
    if not paths:
        print(f"no photos in {options.folder}: nothing was compared", file=sys.stderr)
        return 2
    store = WeightStore(options.store)
    undecodable: list[str] = []
    outcome = compare(
        photos(tqdm(paths, unit="photo", disable=None), undecodable),
        References(options.cache, {name: store.path(name) for name in WEIGHTS}),
        options.models,
        options.store,
        options.processes,
    )
    for line in undecodable:
        print(f"not compared, undecodable: {line}")
    return _report(outcome)


def _report(outcome: Outcome) -> int:
    print("model  photos  faces  problems  confidence  descriptor  across 0.99  /compute asked  differs by")
    for model, result in outcome.models.items():
        print(
            f"{model:5}  {result.photos:6}  {result.faces:5}  {len(result.problems):8}  {result.confidence:10.1e}"
            f"  {result.descriptor:10.1e}  {result.crossings:11}  {result.recomputed:14}  {result.compute:10.1e}"
        )
    changed = outcome.changed_by_upstream_rule
    print(f"upstream's overlap rule would change {changed} of {outcome.verdicts} verdicts of model 4")
    if not any(result.photos for result in outcome.models.values()):
        print("nothing was compared", file=sys.stderr)
        return 2
    problems = [
        f"model {model}: {line}" for model, result in outcome.models.items() for line in result.problems
    ]
    print("\n".join(problems) if problems else "all equal to dlib")
    return 1 if problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("folder", type=Path, help="photos; folders in it are searched too")
    parser.add_argument("--models", type=int, nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/reference"), help="dlib's answers, kept")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="of dlib, about 1 GB per megapixel"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
