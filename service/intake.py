"""A photo's way through the service, with every place where it may have to wait."""

import asyncio
import gc
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from service import images
from service.connections import HUNG_UP
from service.face_part import BadFace, check_within
from service.metrics import Metrics
from service.originals import Originals, digest
from service.queue import CallerGone, Queue, Result, while_caller_waits
from service.readiness import Readiness
from service.recognition import memory
from service.recognition.engines.protocol import EngineError
from service.recognition.geometry import Rectangle
from service.recognition.models import MODELS
from service.recognition.recognizer import Face
from service.settings import Settings
from service.upload_budget import UploadBudget
from service.uploads import Upload, read_upload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is to be done with an upload."""

    rectangles: Sequence[Rectangle] | None
    """Where the faces are, if the caller knows."""
    answer: Callable[[Sequence[Face]], bytes]
    """The faces as JSON."""


@dataclass
class _Visit:
    """One request, and whether its caller is still there."""

    request: Request
    gone: asyncio.Future[None]
    photo: str = "waiting"
    """What it is doing: waiting, or in work."""

    def begin(self) -> None:
        """Its turn has come. Raises CallerGone."""
        self.go_on()
        self.photo = "in work"

    def go_on(self) -> None:
        """Asked between two stages. Raises CallerGone."""
        # From the photo's thread: a plain read, which needs no lock.
        if self.gone.done():
            raise CallerGone("the caller hung up")


@dataclass(frozen=True)
class Intake:
    """Takes photos in as memory allows, and has them recognised."""

    settings: Settings
    readiness: Readiness
    uploads: UploadBudget
    """Bytes of uploads in memory, from the first that is read until the answer."""
    queue: Queue
    originals: Originals
    """Of photos whose faces the caller knows: it sends the same file again for the next face."""
    metrics: Metrics

    async def answer(self, request: Request, maximum_area: int, task_of: Callable[[Upload], Task]) -> bytes:
        """The answer to a request with a photo of at most `maximum_area` pixels.

        Raises what `uploads`, `images`, `task_of`, the queue and the recogniser raise, and CallerGone.
        """
        visit = _Visit(request, getattr(request.state, HUNG_UP))
        try:
            return await while_caller_waits(self._answer(visit, maximum_area, task_of), visit.gone)
        except (CallerGone, ClientDisconnect):
            self.metrics.cancelled.labels(visit.photo).inc()
            raise

    async def _answer(self, visit: _Visit, maximum_area: int, task_of: Callable[[Upload], Task]) -> bytes:
        settings = self.settings
        with self.uploads.share() as share:
            upload = await read_upload(
                visit.request, share, maximum=settings.maximum_upload, patience=settings.patience
            )
            task = task_of(upload)
            # In a thread: there are formats whose headers take long to read.
            header = await asyncio.to_thread(images.checked_header, upload.data, maximum_area)
            key = await asyncio.to_thread(digest, upload.data) if task.rectangles is not None else None
            recognizer = await self.readiness.recognizer()
            decoded: list[NDArray[np.uint8]] = []

            def recognize(image: NDArray[np.uint8], decoding: float, last_try: bool) -> bytes:
                visit.go_on()
                check_within(task.rectangles or (), image.shape[1], image.shape[0])
                recognition = recognizer.recognize_timed(image, task.rectangles, stand_in=last_try)
                self.metrics.recognized(decoding, recognition.timings, len(recognition.faces))
                return task.answer(recognition.faces)

            def work(last_try: bool) -> bytes:
                visit.begin()
                started = time.perf_counter()
                image = images.decode(
                    upload.data, maximum_area=maximum_area, honour_orientation=settings.honour_orientation
                )
                answer = recognize(image, time.perf_counter() - started, last_try)
                if key is not None:
                    self.metrics.original_misses.inc()
                    decoded.append(image)
                return answer

            def keep() -> int:
                return self.originals.keep(key, decoded.pop(), FURTHER_FACE) if key and decoded else 0

            def further_face(key: bytes) -> bytes | None:
                visit.begin()
                with self.originals.reading(key) as image:
                    if image is None:  # another photo needed the memory while this one waited
                        return None
                    self.metrics.original_hits.inc()
                    return recognize(image, 0, False)

            try:
                if key is not None and self.originals.refresh(key):
                    answer = await self.queue.run(partial(_lightly, partial(further_face, key)), FURTHER_FACE)
                    if answer is not None:
                        return answer
                return await self.queue.run(
                    partial(_lightly, partial(work, False)), share.held + self._needed(header, task), keep
                )
            except EngineError as error:
                log.warning("%s: once more, alone", error)
            self.metrics.retried.inc()
            # All bytes there are: nothing else is in work then, and takes memory or a device from this photo.
            everything = max(self.queue.memory.total, 1)
            return await self.queue.run(
                partial(_lightly, partial(_collected, partial(work, True))), everything, keep
            )

    def _needed(self, header: images.Header, task: Task) -> int:
        """Bytes for a photo in work: at its peak while it is decoded, or while it is recognised."""
        recognizing = memory.needed(
            MODELS[self.settings.model], header.height, header.width, known=task.rectangles is not None
        )
        return max(images.needed(header), recognizing)


FURTHER_FACE = memory.FACES_GIVEN.fixed
"""Bytes for a known face of an original that is decoded already."""

THE_PHOTOS = (images.UndecodableImage, images.ImageTooLarge, BadFace, CallerGone)
"""What is wrong with a photo or its caller, and would be again; all else is the machine's fault or ours."""


def _collected(work: Callable[[], bytes]) -> bytes:
    """What `work` gives, with the memory that failures before it still hold in circles of references."""
    gc.collect()
    return work()


def _lightly(work: Callable[[], Result]) -> Result:
    """What `work` gives. A failure that is not the photo's becomes EngineError.

    No failure takes along what the photo's frames held: a traceback keeps the pixels, and all that was made of them,
    for as long as somebody keeps the error, and errors that went from thread to thread keep each other.
    """
    try:
        return work()
    except Exception as error:
        failure: BaseException | None = error
        while failure is not None:
            traceback.clear_frames(failure.__traceback__)
            failure = failure.__cause__ or failure.__context__
        if isinstance(error, THE_PHOTOS):
            raise
        raise EngineError(f"{type(error).__name__}: {error}") from error
