"""Pipeline of a photo in the worker: header, admission, processing, and one retry."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from model_store.models import MODELS
from service.decoders.pool import DecoderPool
from service.images.memory import Header, decoding_bytes
from service.ipc import SealedMemory
from service.messages import Answer, Photo
from service.pipeline import answers
from service.pipeline.engine_health import EngineHealth, fallbacks
from service.pipeline.face_part import face_of
from service.pipeline.metrics import WorkerMetrics
from service.pipeline.originals import Originals, digest
from service.pipeline.photo_work import FURTHER_FACE, EncodedPhoto, PhotoTask, PhotoWork, SharedParts
from service.pipeline.queue import Queue
from service.pipeline.readiness import Readiness
from service.recognition import memory
from service.recognition.contract import DeviceFault, EngineError
from service.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoPipeline:
    """The steps from an encoded photo to its JSON, with admission control by bytes."""

    settings: Settings
    readiness: Readiness
    decoders: DecoderPool
    queue: Queue
    originals: Originals
    """Cache of decoded originals for `/compute`, which gets the same file again for the next face."""
    metrics: WorkerMetrics
    health: EngineHealth

    async def answer(self, photo: Photo, content: SealedMemory, begun: Callable[[Header], None]) -> Answer:
        """Process a photo, and return its answer. `begun` is called when the photo is admitted.

        Raises REFUSALS, DeviceFault, or EngineError for any other failure of both attempts.
        """
        task, key = await _task(photo, content)
        header = await self.decoders.header(content, photo.size, photo.maximum_area)
        shared = SharedParts(
            await self.readiness.recognizer(), self.decoders, self.queue, self.originals, self.metrics
        )
        encoded = EncodedPhoto(
            content,
            photo.size,
            header,
            photo.maximum_area,
            self.settings.honour_orientation,
            photo.request,
        )
        work = PhotoWork(encoded, task, shared, key, lambda: begun(header))
        return await self._process(work, photo.size + self._peak_bytes(header, task))

    async def _process(self, work: PhotoWork, needed_bytes: int) -> Answer:
        try:
            if work.key is not None and self.originals.refresh(work.key):
                answer = await self.queue.run(work.further_face, FURTHER_FACE)
                if answer is not None:
                    return answer
            answer = await self.queue.run(work.first_try, needed_bytes, work.keep)
        except DeviceFault as error:  # a second attempt would use the same device
            self.health.device_failed(str(error))
            raise
        except EngineError as error:
            log.warning("%s is retried alone: %s", work.photo, error)
        else:
            self.health.succeeded()
            return answer
        self.metrics.retried.inc()
        # The whole budget: no other photo is in progress then, or takes memory or a device from this one.
        everything = max(self.queue.memory.total, 1)
        before = fallbacks(work.shared.recognizer.stages())
        answer = await self.queue.run(work.last_try, everything, work.keep)
        # Other photos cannot have increased the count: none is admitted before this one ends.
        if fallbacks(work.shared.recognizer.stages()) > before:
            self.health.failed()
        return answer

    def _peak_bytes(self, header: Header, task: PhotoTask) -> int:
        """Peak memory of a photo in bytes: of decoding or of recognition, the larger one."""
        recognizing = memory.recognition_bytes(
            MODELS[self.settings.model], header.height, header.width, known=task.rectangles is not None
        )
        return max(decoding_bytes(header), recognizing)


async def _task(photo: Photo, content: SealedMemory) -> tuple[PhotoTask, bytes | None]:
    """The task of a photo, and its key in `originals` if its face is given. Raises BadFace."""
    if photo.known:
        return await asyncio.to_thread(_known, photo, content)
    name = _name(photo, content)
    return PhotoTask(None, lambda faces: answers.detected(name, faces)), None


def _known(photo: Photo, content: SealedMemory) -> tuple[PhotoTask, bytes]:
    """The task for a known face, and the digest of its photo; blocks. Raises BadFace."""
    name = _name(photo, content)
    part = None if photo.face is None else content.read(photo.size + photo.name, photo.face)
    known = face_of(part)
    with content.mapped() as mapped, memoryview(mapped) as whole:
        key = digest(whole[: photo.size])
    return PhotoTask([known.rectangle], lambda faces: answers.computed(name, known.echo, faces[0])), key


def _name(photo: Photo, content: SealedMemory) -> str:
    return content.read(photo.size, photo.name).decode(errors="surrogatepass")
