"""The whole story of a photo: find the faces, mark them, cut them out, describe them, confirm them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.models import Model
from service.recognition.contract import Detection, Engine, Stage
from service.recognition.engines.with_fallback import WithFallback
from service.recognition.geometry import Rectangle
from service.recognition.timings import Stopwatch, Timings

HOG_CONFIDENCE = 1.1
"""What a HOG face carries as its confidence (the Nextcloud app's own HOG model, and the upstream service)."""
UNCONFIRMED_FACTOR = 0.8
"""What is left of the confidence of a face that HOG does not confirm (the upstream service)."""
GIVEN_CONFIDENCE = 1.0
"""The confidence of a face whose rectangle the caller gave."""


@dataclass(frozen=True)
class Face:
    """One face of a photo, in pixels of the array that was given."""

    rectangle: Rectangle
    confidence: float
    """The CNN detector's score (0.8 of it on a face that HOG does not confirm), or 1.1 for a HOG face."""
    landmarks: NDArray[np.int64]
    """Shape (5 or 68, 2): x, y."""
    descriptor: NDArray[np.float32]
    """Shape (128,); not normalised, compare by Euclidean distance."""


@dataclass(frozen=True)
class Recognition:
    """What a photo gave, and what it took."""

    faces: list[Face]
    timings: Timings


class Recognizer:
    """Finds and describes the faces of photos as one FACE_MODEL does. Safe to call from many threads.

    Args:
        model: one of `models.MODELS`.
        engine: computes the stages; kept as `engine`, for who wants a stage alone.
        fallback: computes a stage where `engine` fails, slower and with the same result; None where there is none.
    """

    def __init__(self, model: Model, engine: Engine, fallback: Engine | None = None) -> None:
        self.model = model
        self.engine = engine
        self._with_fallback = WithFallback(engine, fallback) if fallback else engine

    def recognize(
        self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle] | None = None
    ) -> list[Face]:
        """The faces of a photo.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            rectangles: where the faces are, if that is known: nothing is searched then, and the answer has one
                face for each, in this order.

        Raises:
            ValueError: the array is no such image.
            EngineError: no engine could compute a stage.
        """
        return self.recognize_timed(image, rectangles).faces

    def recognize_timed(
        self,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None = None,
        *,
        fallback: bool = True,
    ) -> Recognition:
        """As `recognize`, with the time of each stage. Without `fallback`, an engine that fails is not replaced."""
        watch = Stopwatch()
        engine = self._with_fallback if fallback else self.engine
        faces = self._recognize(engine, _checked(image), rectangles, watch)
        return Recognition(faces, watch.timings)

    def warm_up(self) -> None:
        """Run every stage once, so that the first photo meets loaded weights. Raises EngineError."""
        self.run_every_stage(np.zeros((96, 96, 3), np.uint8), [Rectangle(8, 8, 87, 87)])

    def run_every_stage(
        self, image: NDArray[np.uint8], faces: Sequence[Rectangle], watch: Stopwatch | None = None
    ) -> Timings:
        """Run each stage of this model once, whatever it finds, and return the times. Raises EngineError.

        Args:
            image: as for `recognize`; it is searched.
            faces: at least one; what the later stages work on.
            watch: runs the stages, and may look at more than their times.
        """
        watch = watch or Stopwatch()
        self._find(self._with_fallback, image, watch)
        self._recognize(self._with_fallback, image, faces, watch)
        if self.model.confirmed_by_hog:
            watch.time(self._with_fallback.hog_confirms, image, faces)
        return watch.timings

    def stages(self) -> dict[str, Stage]:
        """Who computes each stage that this model has."""
        unused = {
            "cnn_detections": self.model.detector != "cnn",
            "hog_detections": self.model.detector != "hog",
            "hog_confirms": not self.model.confirmed_by_hog,
        }
        return {name: stage for name, stage in self._with_fallback.stages().items() if not unused.get(name)}

    def close(self) -> None:
        self._with_fallback.close()

    def _recognize(
        self,
        engine: Engine,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None,
        watch: Stopwatch,
    ) -> list[Face]:
        if rectangles is None:
            found = self._find(engine, image, watch)
        else:
            found = [Detection(rectangle, GIVEN_CONFIDENCE) for rectangle in rectangles]
        if not found:
            return []
        landmarks = watch.time(engine.landmarks, image, [face.rectangle for face in found])
        chips = watch.time(engine.chips, image, landmarks)
        descriptors = watch.time(engine.descriptors, chips)
        if rectangles is None and self.model.confirmed_by_hog:
            boxes = [face.rectangle for face in found]
            found = judged(found, watch.time(engine.hog_confirms, image, boxes))
        return [
            Face(face.rectangle, face.confidence, points, descriptor)
            for face, points, descriptor in zip(found, landmarks, descriptors, strict=True)
        ]

    def _find(self, engine: Engine, image: NDArray[np.uint8], watch: Stopwatch) -> list[Detection]:
        if self.model.detector == "cnn":
            return watch.time(engine.cnn_detections, image)
        return [Detection(face, HOG_CONFIDENCE) for face in watch.time(engine.hog_detections, image)]


def judged(faces: Sequence[Detection], confirmed: Sequence[bool]) -> list[Detection]:
    """Lower the confidence of every face that HOG does not confirm."""
    return [
        face if yes else Detection(face.rectangle, face.confidence * UNCONFIRMED_FACTOR)
        for face, yes in zip(faces, confirmed, strict=True)
    ]


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an RGB image is uint8 (rows, columns, 3), not {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)
