"""The blocking work on one photo, for a worker thread: decode it, recognize the faces, serialize the answer."""

import asyncio
import gc
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.face_part import BadFace, check_within
from service.images import decoding as images
from service.metrics import Metrics
from service.originals import Originals
from service.queue import CallerGone, Result
from service.readiness import Recognizer
from service.recognition import memory
from service.recognition.engines.protocol import EngineError
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

FURTHER_FACE = memory.FACES_GIVEN.fixed
"""Bytes for a known face of an original that is decoded already."""

FAULTS_OF_THE_REQUEST = (images.UndecodableImage, images.ImageTooLarge, BadFace, CallerGone)
"""Failures that a retry would repeat. Every other one is a fault of the machine or of this service."""


@dataclass(frozen=True)
class Task:
    """The request for one upload: known faces, and the form of the answer."""

    rectangles: Sequence[Rectangle] | None
    """Of the known faces in `/compute`; None where faces are to be detected."""
    answer: Callable[[Sequence[Face]], bytes]
    """The faces as JSON."""


@dataclass
class Visit:
    """The state of one request."""

    gone: asyncio.Future[None]
    """Done when the caller has hung up."""
    photo: str = "waiting"
    """Waiting, or in work; for the metrics."""

    def begin(self) -> None:
        """Notes that the work begins. Raises CallerGone."""
        self.go_on()
        self.photo = "in work"

    def go_on(self) -> None:
        """Called between two stages. Raises CallerGone."""
        # From the photo's thread: a plain read, which needs no lock.
        if self.gone.done():
            raise CallerGone("the caller hung up")


@dataclass
class PhotoWork:
    """One photo and all that its work needs. The methods but `keep` block, each for a worker thread.

    They raise FAULTS_OF_THE_REQUEST, or EngineError for whatever else fails.
    """

    data: bytes
    """The encoded photo."""
    maximum_area: int
    """Pixels."""
    honour_orientation: bool
    task: Task
    visit: Visit
    recognizer: Recognizer
    originals: Originals
    key: bytes | None
    """Of the photo in `originals`, for a task whose faces are known: the next face comes with the same file."""
    metrics: Metrics
    _decoded: NDArray[np.uint8] | None = None
    """RGB pixels, shape (rows, columns, 3), of an answered photo with a key, until `keep`."""

    def first_try(self) -> bytes:
        """The answer. An engine that fails is not replaced by its fallback: `last_try` may still do without."""
        return _without_frames(partial(self._decode_and_recognize, stand_in=False))

    def last_try(self) -> bytes:
        """The answer, with the fallback in the place of an engine that fails."""
        gc.collect()  # failures before this one may still hold memory in reference cycles
        return _without_frames(partial(self._decode_and_recognize, stand_in=True))

    def further_face(self) -> bytes | None:
        """The answer from the held pixels, or None where another photo has taken their memory meanwhile."""
        return _without_frames(self._recognize_held)

    def keep(self) -> int:
        """Hold the pixels for the next face; returns how many of the photo's bytes stay lent for them.

        For the event loop, after the work.
        """
        decoded, self._decoded = self._decoded, None
        if self.key is None or decoded is None:
            return 0
        return self.originals.keep(self.key, decoded, FURTHER_FACE)

    def _decode_and_recognize(self, *, stand_in: bool) -> bytes:
        self.visit.begin()
        started = time.perf_counter()
        image = images.decode(
            self.data, maximum_area=self.maximum_area, honour_orientation=self.honour_orientation
        )
        answer = self._recognize(image, time.perf_counter() - started, stand_in=stand_in)
        if self.key is not None:
            self.metrics.original_misses.inc()
            self._decoded = image
        return answer

    def _recognize_held(self) -> bytes | None:
        assert self.key is not None
        self.visit.begin()
        with self.originals.reading(self.key) as image:
            if image is None:
                return None
            self.metrics.original_hits.inc()
            return self._recognize(image, 0, stand_in=False)

    def _recognize(self, image: NDArray[np.uint8], decoding: float, *, stand_in: bool) -> bytes:
        """`decoding` is in seconds."""
        self.visit.go_on()
        rows, columns, _ = image.shape
        check_within(self.task.rectangles or (), columns, rows)
        recognition = self.recognizer.recognize_timed(image, self.task.rectangles, stand_in=stand_in)
        self.metrics.recognized(decoding, recognition.timings, len(recognition.faces))
        return self.task.answer(recognition.faces)


def _without_frames(work: Callable[[], Result]) -> Result:
    """What `work` returns. A failure that is not the request's becomes EngineError.

    No failure takes along what the photo's frames held: a traceback keeps the pixels, and all that was made of them,
    for as long as the error is kept, and errors that went from thread to thread keep each other.
    """
    try:
        return work()
    except Exception as error:
        failure: BaseException | None = error
        while failure is not None:
            traceback.clear_frames(failure.__traceback__)
            failure = failure.__cause__ or failure.__context__
        if isinstance(error, FAULTS_OF_THE_REQUEST):
            raise
        raise EngineError(f"{type(error).__name__}: {error}") from error
