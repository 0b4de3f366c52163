"""The work on one photo that has been admitted: decode it in a child, recognize the faces, serialize the answer."""

import gc
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.decoders.pool import DecoderPool
from service.images.memory import Header
from service.ipc import SealedMemory
from service.messages import TOO_LITTLE_MEMORY
from service.pipeline.face_part import check_within
from service.pipeline.metrics import WorkerMetrics
from service.pipeline.originals import Originals
from service.pipeline.queue import Queue
from service.pipeline.readiness import RecognizerInterface
from service.pipeline.refusals import REFUSALS, TooLittleMemory
from service.recognition import memory
from service.recognition.contract import EngineError, OutOfMemory
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

FURTHER_FACE = memory.FACES_GIVEN.fixed
"""Bytes for a known face of an original that is decoded already."""

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as it was uploaded, with what its header says."""

    memory: SealedMemory
    size: int
    """Bytes of the photo, at the start of the memory file."""
    header: Header
    maximum_area: int
    """Pixels."""
    honour_orientation: bool

    def __str__(self) -> str:
        """The photo for the log: no name, no content."""
        return f"an image of {self.size} bytes ({self.header.format}, {self.header.width} x {self.header.height})"


@dataclass(frozen=True)
class PhotoTask:
    """The request for one photo: known faces, and the form of the answer."""

    rectangles: Sequence[Rectangle] | None
    """Of the known faces in `/compute`; None where faces are to be detected."""
    answer: Callable[[Sequence[Face]], bytes]
    """The faces as JSON."""


@dataclass(frozen=True)
class SharedParts:
    """The parts of the worker that all photos share."""

    recognizer: RecognizerInterface
    decoders: DecoderPool
    queue: Queue
    originals: Originals
    metrics: WorkerMetrics


@dataclass
class PhotoWork:
    """One photo and its work. All methods but `keep` raise REFUSALS, or EngineError for whatever else fails."""

    photo: EncodedPhoto
    task: PhotoTask
    shared: SharedParts
    key: bytes | None
    """Of the photo in `originals`, for a task whose faces are known: the next face comes with the same file."""
    begun: Callable[[], None]
    """Called when the work begins."""
    _decoded: Pixels | None = None
    """RGB pixels, shape (rows, columns, 3), of an answered photo with a key, until `keep`."""

    async def first_try(self) -> bytes:
        """The answer. An engine that fails is not replaced by its fallback: `last_try` may still do without."""
        return await _without_frames(self._decode_and_recognize(fallback=False))

    async def last_try(self) -> bytes:
        """The answer, with the fallback in the place of an engine that fails. Raises TooLittleMemory too."""
        gc.collect()  # failures before this one may still hold memory in reference cycles
        try:
            return await _without_frames(self._decode_and_recognize(fallback=True))
        except EngineError as error:
            if isinstance(error.__cause__, MemoryError | OutOfMemory):
                log.error("%s: no memory, even alone", self.photo)  # noqa: TRY400 - the traceback says no more
                raise TooLittleMemory(TOO_LITTLE_MEMORY) from None
            raise

    async def further_face(self) -> bytes | None:
        """The answer from the held pixels, or None where another photo has taken their memory meanwhile."""
        self.begun()
        return await _without_frames(self.shared.queue.in_thread(self._recognize_held))

    def keep(self) -> int:
        """Hold the pixels for the next face; returns how many of the photo's bytes stay lent for them."""
        decoded, self._decoded = self._decoded, None
        if self.key is None or decoded is None:
            return 0
        return self.shared.originals.keep(self.key, decoded, FURTHER_FACE)

    async def _decode_and_recognize(self, *, fallback: bool) -> bytes:
        self.begun()
        started = time.perf_counter()
        photo = self.photo
        image = await self.shared.decoders.decode(
            photo.memory,
            photo.size,
            photo.header,
            maximum_area=photo.maximum_area,
            honour_orientation=photo.honour_orientation,
        )
        decoding = time.perf_counter() - started
        work = partial(self._recognize, image, decoding, fallback=fallback)
        answer = await self.shared.queue.in_thread(work)
        if self.key is not None:
            self.shared.metrics.original_misses.inc()
            self._decoded = image
        return answer

    def _recognize_held(self) -> bytes | None:
        assert self.key is not None
        with self.shared.originals.reading(self.key) as image:
            if image is None:
                return None
            self.shared.metrics.original_hits.inc()
            return self._recognize(image, 0, fallback=False)

    def _recognize(self, image: Pixels, decoding: float, *, fallback: bool) -> bytes:
        """`decoding` is in seconds."""
        rows, columns, _ = image.shape
        check_within(self.task.rectangles or (), columns, rows)
        recognition = self.shared.recognizer.recognize_timed(image, self.task.rectangles, fallback=fallback)
        self.shared.metrics.recognized(decoding, recognition.timings, len(recognition.faces))
        return self.task.answer(recognition.faces)


async def _without_frames(work: Awaitable[Result]) -> Result:
    """What `work` returns. A failure that is not the request's becomes EngineError.

    No failure takes along what the photo's frames held: a traceback keeps the pixels, and all that was made of them,
    for as long as the error is kept, and errors that went from thread to thread keep each other.
    """
    try:
        return await work
    except Exception as error:
        failure: BaseException | None = error
        while failure is not None:
            traceback.clear_frames(failure.__traceback__)
            failure = failure.__cause__ or failure.__context__
        if isinstance(error, REFUSALS):
            raise
        raise EngineError(f"{type(error).__name__}: {error}") from error
