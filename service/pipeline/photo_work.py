"""Processing of one admitted photo: decoding in a child, recognition in a thread, serialisation."""

import gc
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.decoders.pool import DecoderPool
from service.images.memory import Header
from service.ipc import SealedMemory
from service.messages import TOO_LITTLE_MEMORY, Answer
from service.pipeline.face_part import check_within
from service.pipeline.metrics import WorkerMetrics
from service.pipeline.originals import Originals
from service.pipeline.queue import Queue
from service.pipeline.readiness import RecognizerInterface
from service.pipeline.refusals import REFUSALS, TooLittleMemory
from service.recognition import memory
from service.recognition.contract import DeviceFault, EngineError, OutOfMemory
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

FURTHER_FACE = memory.FACES_GIVEN.fixed
"""Bytes that the recognition of a known face takes in addition to the cached original."""

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class EncodedPhoto:
    """An uploaded photo with its parsed header."""

    memory: SealedMemory
    size: int
    """Bytes of the photo, at the start of the memory file."""
    header: Header
    maximum_area: int
    """Limit in pixels."""
    honour_orientation: bool
    request: str
    """The request's id, for the log."""

    def __str__(self) -> str:
        """Size, format and request for the log: no name, no content."""
        form = f"{self.header.format}, {self.header.width} x {self.header.height}"
        return f"an image of {self.size} bytes ({form}) of request {self.request}"


@dataclass(frozen=True)
class PhotoTask:
    """The task for one photo: known faces, and the serialisation of the response."""

    rectangles: Sequence[Rectangle] | None
    """Known faces of `/compute`; None if faces are to be detected."""
    answer: Callable[[Sequence[Face]], bytes]
    """Serialises the faces as JSON."""


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
    """Processing of one photo. All methods but `keep` raise REFUSALS, DeviceFault, or else EngineError."""

    photo: EncodedPhoto
    task: PhotoTask
    shared: SharedParts
    key: bytes | None
    """Key in `originals`, for a task with known faces: the next face comes with the same file."""
    begun: Callable[[], None]
    """Called when processing starts."""
    _decoded: Pixels | None = None
    """RGB pixels, shape (rows, columns, 3), of a processed photo with a key, until `keep`."""

    async def first_try(self) -> Answer:
        """Process the photo without the engine's fallback: an engine that fails here may succeed in `last_try`."""
        return await _without_frames(self._decode_and_recognize(fallback=False))

    async def last_try(self) -> Answer:
        """Process the photo, with the fallback if the engine fails. Raises TooLittleMemory too."""
        gc.collect()  # failures before this one may still hold memory in reference cycles
        try:
            return await _without_frames(self._decode_and_recognize(fallback=True))
        except EngineError as error:
            if isinstance(error.__cause__, MemoryError | OutOfMemory):
                log.error("%s: out of memory, although it was processed alone: %s", self.photo, error)  # noqa: TRY400 - a traceback adds nothing
                raise TooLittleMemory(TOO_LITTLE_MEMORY) from None
            raise

    async def further_face(self) -> Answer | None:
        """Process a further face from the cached pixels; None if they have been evicted."""
        self.begun()
        return await _without_frames(self.shared.queue.in_thread(self._recognize_cached))

    def keep(self) -> int:
        """Cache the pixels for the next face, and return the number of the photo's bytes that stay granted for them."""
        decoded, self._decoded = self._decoded, None
        if self.key is None or decoded is None:
            return 0
        return self.shared.originals.keep(self.key, decoded, FURTHER_FACE)

    async def _decode_and_recognize(self, *, fallback: bool) -> Answer:
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

    def _recognize_cached(self) -> Answer | None:
        assert self.key is not None
        with self.shared.originals.reading(self.key) as image:
            if image is None:
                return None
            self.shared.metrics.original_hits.inc()
            return self._recognize(image, 0, fallback=False)

    def _recognize(self, image: Pixels, decoding: float, *, fallback: bool) -> Answer:
        """`decoding` is in seconds."""
        rows, columns, _ = image.shape
        check_within(self.task.rectangles or (), columns, rows)
        recognition = self.shared.recognizer.recognize_timed(image, self.task.rectangles, fallback=fallback)
        stages = {"decode": decoding, **asdict(recognition.timings)}
        ran = {stage: seconds for stage, seconds in stages.items() if seconds}
        self.shared.metrics.recognized(ran, len(recognition.faces))
        milliseconds = {stage: 1000 * seconds for stage, seconds in ran.items()}
        return Answer(self.task.answer(recognition.faces), milliseconds, len(recognition.faces))


async def _without_frames(work: Awaitable[Result]) -> Result:
    """Await `work`, and clear the frames of its exception. Any but REFUSALS and DeviceFault becomes EngineError.

    The frames of a traceback would keep the pixels, and every array made of them, for as long as the exception is
    kept. In addition, exceptions that passed between threads keep each other.
    """
    try:
        return await work
    except Exception as error:
        failure: BaseException | None = error
        while failure is not None:
            traceback.clear_frames(failure.__traceback__)
            failure = failure.__cause__ or failure.__context__
        if isinstance(error, (*REFUSALS, DeviceFault)):
            raise
        raise EngineError(f"{type(error).__name__}: {error}") from error
