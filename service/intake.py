"""Request pipeline of a photo: upload, admission, work on the photo, and its one retry."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from service.connections import HUNG_UP
from service.images import decoding as images
from service.metrics import Metrics
from service.originals import Originals, digest
from service.photo_work import FURTHER_FACE, PhotoWork, Task, Visit
from service.queue import CallerGone, Queue, while_caller_waits
from service.readiness import Readiness
from service.recognition import memory
from service.recognition.engines.protocol import EngineError
from service.recognition.models import MODELS
from service.settings import Settings
from service.uploads import Upload, UploadBudget, read_upload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """Admission control by bytes, for uploads and for photos in work."""

    settings: Settings
    readiness: Readiness
    uploads: UploadBudget
    """Bytes of uploads in memory, from the first that is read until the answer."""
    queue: Queue
    originals: Originals
    """Decoded originals of `/compute`, which gets the same file again for the next face."""
    metrics: Metrics

    async def answer(self, request: Request, maximum_area: int, task_of: Callable[[Upload], Task]) -> bytes:
        """The answer to a request with a photo of at most `maximum_area` pixels.

        Raises what `uploads`, `images`, `task_of`, the queue and the recogniser raise, and CallerGone.
        """
        visit = Visit(getattr(request.state, HUNG_UP))
        try:
            answer = self._answer(request, visit, maximum_area, task_of)
            return await while_caller_waits(answer, visit.gone)
        except (CallerGone, ClientDisconnect):
            self.metrics.cancelled.labels(visit.photo).inc()
            raise

    async def _answer(
        self, request: Request, visit: Visit, maximum_area: int, task_of: Callable[[Upload], Task]
    ) -> bytes:
        settings = self.settings
        with self.uploads.share() as share:
            upload = await read_upload(
                request, share, maximum=settings.maximum_upload, patience=settings.patience
            )
            task = task_of(upload)
            # In a thread: there are formats whose headers take long to read.
            header = await asyncio.to_thread(images.checked_header, upload.data, maximum_area)
            key = await asyncio.to_thread(digest, upload.data) if task.rectangles is not None else None
            work = PhotoWork(
                upload.data,
                maximum_area,
                settings.honour_orientation,
                task,
                visit,
                await self.readiness.recognizer(),
                self.originals,
                key,
                self.metrics,
            )
            try:
                if key is not None and self.originals.refresh(key):
                    answer = await self.queue.run(work.further_face, FURTHER_FACE)
                    if answer is not None:
                        return answer
                needed = share.held + self._needed(header, task)
                return await self.queue.run(work.first_try, needed, work.keep)
            except EngineError as error:
                log.warning("%s: once more, alone", error)
            self.metrics.retried.inc()
            # All bytes there are: nothing else is in work then, and takes memory or a device from this photo.
            everything = max(self.queue.memory.total, 1)
            return await self.queue.run(work.last_try, everything, work.keep)

    def _needed(self, header: images.Header, task: Task) -> int:
        """Bytes for a photo in work: at its peak while it is decoded, or while it is recognised."""
        recognizing = memory.needed(
            MODELS[self.settings.model], header.height, header.width, known=task.rectangles is not None
        )
        return max(images.needed(header), recognizing)
