"""Recognition of a photo: detection, landmarks, chips, descriptors, confirmation by HOG."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_store.models import Model
from service.recognition import grouping
from service.recognition.contract import Detection, Engine, Stage
from service.recognition.engines.with_fallback import WithFallback
from service.recognition.geometry import Rectangle
from service.recognition.rgb_image import validated
from service.recognition.timings import Stopwatch, Timings

HOG_CONFIDENCE = 1.1
"""Confidence of a face of the HOG detector (the Nextcloud app's own HOG model, and the upstream service)."""
UNCONFIRMED_FACTOR = 0.8
"""Factor of the confidence of a face that HOG does not confirm (the upstream service)."""
GIVEN_CONFIDENCE = 1.0
"""Confidence of a face whose rectangle is given by the caller."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo, in pixels of the image, origin at the top left."""

    box: Rectangle
    """left, top, right, bottom: all edges inclusive. May reach over the border of the image."""
    confidence: float
    """The CNN detector's score (0.8 of it for a face that HOG does not confirm), 1.1 for a HOG face, 1.0 if given."""
    landmarks: NDArray[np.int64] = field(repr=False)
    """Shape (5 or 68, 2): x, y."""
    descriptor: NDArray[np.float32] = field(repr=False)
    """Shape (128,); not normalised, compare by `distance`."""

    @property
    def grouped(self) -> bool:
        """True if the Nextcloud app, with its default settings, groups this face with others into a person.

        The app keeps a face of a lower confidence, or with a shorter side, without a person. It measures the side in
        pixels of the original photo, right - left and bottom - top.
        """
        sides = self.box.right - self.box.left, self.box.bottom - self.box.top
        return self.confidence >= grouping.CONFIDENCE and min(sides) >= grouping.SIDE

    def distance(self, other: "Face") -> float:
        """Euclidean distance of the descriptors. The app groups faces below 0.4, its default threshold."""
        return float(np.linalg.norm(self.descriptor.astype(np.float64) - other.descriptor))


@dataclass(frozen=True)
class Recognition:
    """Faces of a photo, and the time of each stage."""

    faces: list[Face]
    timings: Timings


class Recognizer:
    """Detection and description of faces as in one FACE_MODEL. Safe to call from many threads.

    Args:
        model: one of `models.MODELS`.
        engine: computes the stages; also the attribute `engine`, for calls of a single stage.
        fallback: computes a stage if `engine` fails, slower and with the same result; None: no fallback.
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
            rectangles: rectangles of known faces, in pixels of the image. No detector runs then, and the result has
                one face for each, in this order.

        Raises:
            ValueError: the array has another type or shape.
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
        """As `recognize`, with the time of each stage. Without `fallback`, a failure of the engine is raised."""
        watch = Stopwatch()
        engine = self._with_fallback if fallback else self.engine
        faces = self._recognize(engine, validated(image), rectangles, watch)
        return Recognition(faces, watch.timings)

    def warm_up(self) -> None:
        """Run every stage once, so that weights are loaded before the first photo. Raises EngineError."""
        self.run_every_stage(np.zeros((96, 96, 3), np.uint8), [Rectangle(8, 8, 87, 87)])

    def run_every_stage(
        self, image: NDArray[np.uint8], faces: Sequence[Rectangle], watch: Stopwatch | None = None
    ) -> Timings:
        """Run each stage of this model once, with or without detections, and return the times. Raises EngineError.

        Args:
            image: as for `recognize`, for the detectors.
            faces: at least one rectangle, for the stages after detection.
            watch: calls the stages; a subclass may measure more than their times.
        """
        watch = watch or Stopwatch()
        self._find(self._with_fallback, image, watch)
        self._recognize(self._with_fallback, image, faces, watch)
        if self.model.confirmed_by_hog:
            watch.time(self._with_fallback.hog_confirms, image, faces)
        return watch.timings

    def stages(self) -> dict[str, Stage]:
        """Engine and provider of each stage of this model."""
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
            found = lower_unconfirmed(found, watch.time(engine.hog_confirms, image, boxes))
        return [
            Face(face.rectangle, face.confidence, points, descriptor)
            for face, points, descriptor in zip(found, landmarks, descriptors, strict=True)
        ]

    def _find(self, engine: Engine, image: NDArray[np.uint8], watch: Stopwatch) -> list[Detection]:
        if self.model.detector == "cnn":
            return watch.time(engine.cnn_detections, image)
        return [Detection(face, HOG_CONFIDENCE) for face in watch.time(engine.hog_detections, image)]


def lower_unconfirmed(faces: Sequence[Detection], confirmed: Sequence[bool]) -> list[Detection]:
    """Faces with a lower confidence if HOG does not confirm them."""
    return [
        face if is_confirmed else Detection(face.rectangle, face.confidence * UNCONFIRMED_FACTOR)
        for face, is_confirmed in zip(faces, confirmed, strict=True)
    ]
