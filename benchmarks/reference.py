"""What dlib itself says about a photo, called directly and as plainly as possible: the truth of every parity gate.

Nothing of the service's recognition is used here but its rectangle type. One process computes one photo at a
time (dlib's objects are not thread-safe); answers are cached, for a pass over a hundred photos costs minutes.
"""

import hashlib
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model_store.atomic import atomic_file
from service.recognition.geometry import Rectangle

Photo = TypeVar("Photo")

VERSION = 1
"""Raised when this module computes something else, so that older cached answers are not taken for its own."""

OVERLAP = 0.35
FACTOR = 0.8
HOG_CONFIDENCE = 1.1

DETECTOR = "mmod_human_face_detector"
FIVE = "shape_predictor_5_face_landmarks"
SIXTY_EIGHT = "shape_predictor_68_face_landmarks"
NETWORK = "dlib_face_recognition_resnet_model_v1"
WEIGHTS = (DETECTOR, FIVE, SIXTY_EIGHT, NETWORK)


@dataclass(frozen=True)
class ReferenceFace:
    """A face as dlib gives it, in pixels of the array."""

    rectangle: Rectangle
    confidence: float
    landmarks: tuple[tuple[int, int], ...]
    descriptor: tuple[float, ...]


@dataclass(frozen=True)
class Reference:
    """dlib's answers for one photo: the faces of models 1 to 4, and the HOG faces that decided model 4."""

    models: Mapping[int, tuple[ReferenceFace, ...]]
    hog: tuple[Rectangle, ...]


class References:
    """References of photos, computed once per pixels, weights and dlib.

    Args:
        cache: a folder for the answers.
        weights: the files of `WEIGHTS` by name.
    """

    def __init__(self, cache: Path, weights: Mapping[str, Path]) -> None:
        self._cache = cache
        self._weights = {name: weights[name] for name in WEIGHTS}
        self._basis = hashlib.sha256(str(VERSION).encode())
        for name in WEIGHTS:
            self._basis.update(_file_hash(weights[name]))
        self._basis.update(_file_hash(dlib_library()))

    def of(
        self, photos: Iterable[Photo], pixels: Callable[[Photo], NDArray[np.uint8]], processes: int
    ) -> Iterator[tuple[Photo, Reference]]:
        """Photos with their references, in their order.

        Args:
            photos: whatever carries pixels; only a few more than `processes` are held at a time.
            pixels: the RGB uint8 array of one.
            processes: how many photos dlib works on at once.
        """
        waiting: deque[tuple[Photo, Path, Future[Any] | None]] = deque()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _initialize, (self._weights,)) as pool:
            for photo in photos:
                path = self._path(pixels(photo))
                waiting.append((photo, path, None if path.exists() else pool.submit(_compute, pixels(photo))))
                if len(waiting) > 2 * processes:
                    yield self._finished(*waiting.popleft())
            while waiting:
                yield self._finished(*waiting.popleft())

    def _finished(self, photo: Photo, path: Path, computed: "Future[Any] | None") -> tuple[Photo, Reference]:
        if computed is not None:
            with atomic_file(path) as file:
                file.write(json.dumps(computed.result()).encode())
        return photo, _parsed(json.loads(path.read_bytes()))

    def _path(self, image: NDArray[np.uint8]) -> Path:
        key = self._basis.copy()
        key.update(repr(image.shape).encode())
        key.update(np.ascontiguousarray(image).data)
        return self._cache / f"{key.hexdigest()}.json"


def dlib_library() -> Path:
    """The compiled library behind `import dlib`, found without loading it."""
    from importlib.util import find_spec

    spec = find_spec("_dlib_pybind11")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "dlib is the reference of every parity gate and is not installed: extra `dlib`"
        )
    return Path(spec.origin)


def _file_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _parsed(answer: Any) -> Reference:
    def face(entry: Any) -> ReferenceFace:
        rectangle, confidence, landmarks, descriptor = entry
        points = tuple((x, y) for x, y in landmarks)
        return ReferenceFace(Rectangle(*rectangle), confidence, points, tuple(descriptor))

    return Reference(
        {int(model): tuple(face(entry) for entry in faces) for model, faces in answer["models"].items()},
        tuple(Rectangle(*rectangle) for rectangle in answer["hog"]),
    )


# What runs in the processes.

_dlib: dict[str, Any] = {}


def _initialize(weights: Mapping[str, Path]) -> None:
    import dlib

    _dlib["rectangle"] = dlib.rectangle
    _dlib["hog"] = dlib.get_frontal_face_detector()
    _dlib[DETECTOR] = dlib.cnn_face_detection_model_v1(str(weights[DETECTOR]))
    _dlib[FIVE] = dlib.shape_predictor(str(weights[FIVE]))
    _dlib[SIXTY_EIGHT] = dlib.shape_predictor(str(weights[SIXTY_EIGHT]))
    _dlib[NETWORK] = dlib.face_recognition_model_v1(str(weights[NETWORK]))


def _compute(image: NDArray[np.uint8]) -> dict[str, Any]:
    """Models 1 to 4 at once: they share their scans."""
    cnn = [(_edges(face.rect), face.confidence) for face in _dlib[DETECTOR](image, 0)]
    hog = [_edges(face) for face in _dlib["hog"](image, 1)]
    five = [_described(image, edges, FIVE) for edges, _ in cnn]
    return {
        "hog": hog,
        "models": {
            1: [(edges, score, *rest) for (edges, score), rest in zip(cnn, five, strict=True)],
            2: [(edges, score, *_described(image, edges, SIXTY_EIGHT)) for edges, score in cnn],
            3: [(edges, HOG_CONFIDENCE, *_described(image, edges, FIVE)) for edges in hog],
            4: [
                (edges, score if _confirmed(edges, hog) else score * FACTOR, *rest)
                for (edges, score), rest in zip(cnn, five, strict=True)
            ],
        },
    }


def _described(
    image: NDArray[np.uint8], edges: tuple[int, ...], predictor: str
) -> tuple[list[tuple[int, int]], list[float]]:
    shape = _dlib[predictor](image, _dlib["rectangle"](*edges))
    descriptor = _dlib[NETWORK].compute_face_descriptor(image, shape)
    return [(point.x, point.y) for point in shape.parts()], list(descriptor)


def _confirmed(face: tuple[int, ...], hog: Sequence[tuple[int, ...]]) -> bool:
    """Whether a HOG face overlaps this one, intersection over union of edges taken as points."""
    left, top, right, bottom = face
    for other_left, other_top, other_right, other_bottom in hog:
        width = min(right, other_right) - max(left, other_left)
        height = min(bottom, other_bottom) - max(top, other_top)
        if width <= 0 or height <= 0:
            continue
        both = (right - left) * (bottom - top) + (other_right - other_left) * (other_bottom - other_top)
        if width * height / (both - width * height) >= OVERLAP:
            return True
    return False


def _edges(rectangle: Any) -> tuple[int, int, int, int]:
    return (rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())
