"""Reference answers of dlib, called directly: the ground truth of the parity gates.

Only the rectangle type is shared with the service's recognition. Each process computes one photo at a time, since
dlib's objects are not thread-safe. Answers are cached: a hundred photos take minutes.
"""

import hashlib
import json
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.faces import AnsweredFace, of_entry
from benchmarks.parity.decoded_photos import Photo
from model_store.atomic import atomic_file
from service.recognition.geometry import Rectangle

VERSION = 2
"""Version of the cached answers: incremented when the answers that this module computes change."""

OVERLAP = 0.35
"""IoU from which a HOG face confirms a CNN face."""
FACTOR = 0.8
"""Factor of the confidence of a CNN face that no HOG face confirms."""
HOG_CONFIDENCE = 1.1
"""Confidence of a HOG face in model 3."""
CHIP_SIDE = 150
CHIP_PADDING = 0.25

DETECTOR = "mmod_human_face_detector"
FIVE = "shape_predictor_5_face_landmarks"
SIXTY_EIGHT = "shape_predictor_68_face_landmarks"
NETWORK = "dlib_face_recognition_resnet_model_v1"
WEIGHTS = (DETECTOR, FIVE, SIXTY_EIGHT, NETWORK)


@dataclass(frozen=True)
class Reference:
    """Dlib's answers for one photo: faces of models 1 to 4, and the HOG faces that confirm those of model 4."""

    models: Mapping[int, tuple[AnsweredFace, ...]]
    hog: tuple[Rectangle, ...]
    chips: Mapping[int, tuple[str, ...]]
    """SHA-256 of each face's chip, for models 1 and 3, which together have all faces. Pixels are not stored."""


class DlibDied(RuntimeError):
    """A dlib process died. One line with the remedy."""


class References:
    """References of photos, cached by pixels, weights and dlib build.

    Args:
        cache: folder of the answers.
        weights: the files of `WEIGHTS` by name.
    """

    def __init__(self, cache: Path, weights: Mapping[str, Path]) -> None:
        self._cache = cache
        self._weights = {name: weights[name] for name in WEIGHTS}
        self._basis = hashlib.sha256(str(VERSION).encode())
        for name in WEIGHTS:
            self._basis.update(_file_hash(weights[name]))
        self._basis.update(_file_hash(dlib_library()))

    def of(self, photos: Iterable[Photo], processes: int) -> Iterator[tuple[Photo, Reference]]:
        """Photos with their references, in order.

        Args:
            photos: consumed lazily, about 2 x `processes` ahead.
            processes: photos computed concurrently; each takes about 1 GB per megapixel.

        Raises:
            DlibDied: a process died within a photo, usually for lack of memory.
        """
        waiting: deque[tuple[Photo, Path, Future[Any] | None]] = deque()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _initialize, (self._weights,)) as pool:
            try:
                for photo in photos:
                    path = self._path(photo)
                    computed = None if path.exists() else pool.submit(_compute, photo.image)
                    waiting.append((photo, path, computed))
                    if len(waiting) > 2 * processes:
                        yield self._finished(*waiting.popleft())
                while waiting:
                    yield self._finished(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _finished(self, photo: Photo, path: Path, computed: "Future[Any] | None") -> tuple[Photo, Reference]:
        if computed is not None:
            try:
                answer = computed.result()
            except BrokenProcessPool:
                raise DlibDied(
                    "a dlib process died within a photo. Its CNN takes 1 GB per megapixel: free memory, or use "
                    "smaller photos (--quick)"
                ) from None
            with atomic_file(path) as file:
                Path(file.name).chmod(0o600)  # descriptors are as private as the photos
                file.write(json.dumps(answer).encode())
        return photo, _parsed(json.loads(path.read_bytes()))

    def _path(self, photo: Photo) -> Path:
        key = self._basis.copy()
        key.update(photo.digest.encode())
        return self._cache / f"{key.hexdigest()}.json"


def dlib_library() -> Path:
    """Path of dlib's compiled library, found without loading it. Raises ModuleNotFoundError."""
    from importlib.util import find_spec

    spec = find_spec("_dlib_pybind11")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "dlib is the reference of the parity gates and is not installed: install the extra `dlib`"
        )
    return Path(spec.origin)


def _file_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _parsed(answer: Any) -> Reference:
    return Reference(
        {int(model): tuple(map(of_entry, faces)) for model, faces in answer["models"].items()},
        tuple(Rectangle(*rectangle) for rectangle in answer["hog"]),
        {int(model): tuple(digests) for model, digests in answer["chips"].items()},
    )


# Executed in the child processes.

_dlib: dict[str, Any] = {}


def _initialize(weights: Mapping[str, Path]) -> None:
    import dlib

    # Ctrl-C, which a terminal sends to all processes, ends this one at once and silently.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _dlib["rectangle"] = dlib.rectangle
    _dlib["chip"] = dlib.get_face_chip
    _dlib["hog"] = dlib.get_frontal_face_detector()
    _dlib[DETECTOR] = dlib.cnn_face_detection_model_v1(str(weights[DETECTOR]))
    _dlib[FIVE] = dlib.shape_predictor(str(weights[FIVE]))
    _dlib[SIXTY_EIGHT] = dlib.shape_predictor(str(weights[SIXTY_EIGHT]))
    _dlib[NETWORK] = dlib.face_recognition_model_v1(str(weights[NETWORK]))


def _compute(image: NDArray[np.uint8]) -> dict[str, Any]:
    """Compute models 1 to 4 together: they share their detections."""
    cnn = [(_edges(face.rect), face.confidence) for face in _dlib[DETECTOR](image, 0)]
    hog = [_edges(face) for face in _dlib["hog"](image, 1)]
    five = [_described(image, edges, FIVE) for edges, _ in cnn]
    five_of_hog = [_described(image, edges, FIVE) for edges in hog]
    sixty_eight = [_described(image, edges, SIXTY_EIGHT) for edges, _ in cnn]

    def faces(scores: Iterable[float], boxes: Iterable[Any], described: Iterable[_Described]) -> list[Any]:
        return [
            (edges, score, face.landmarks, face.descriptor)
            for edges, score, face in zip(boxes, scores, described, strict=True)
        ]

    boxes = [edges for edges, _ in cnn]
    raw = [score for _, score in cnn]
    judged = [score if _confirmed(edges, hog) else score * FACTOR for edges, score in cnn]
    return {
        "hog": hog,
        "models": {
            1: faces(raw, boxes, five),
            2: faces(raw, boxes, sixty_eight),
            3: faces([HOG_CONFIDENCE] * len(hog), hog, five_of_hog),
            4: faces(judged, boxes, five),
        },
        "chips": {1: [face.chip for face in five], 3: [face.chip for face in five_of_hog]},
    }


class _Described(NamedTuple):
    landmarks: list[tuple[int, int]]
    descriptor: list[float]
    chip: str


def _described(image: NDArray[np.uint8], edges: tuple[int, ...], predictor: str) -> _Described:
    shape = _dlib[predictor](image, _dlib["rectangle"](*edges))
    descriptor = _dlib[NETWORK].compute_face_descriptor(image, shape)
    chip = _dlib["chip"](image, shape, CHIP_SIDE, CHIP_PADDING)
    return _Described(
        [(point.x, point.y) for point in shape.parts()],
        list(descriptor),
        hashlib.sha256(chip.tobytes()).hexdigest(),
    )


def _confirmed(face: tuple[int, ...], hog: Sequence[tuple[int, ...]]) -> bool:
    """True if a HOG face has an IoU of `OVERLAP` or more with a face; widths are right - left, without + 1."""
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
