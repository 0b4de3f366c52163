"""Message loop of the worker: photos in, answers out, until the web process closes the connection."""

import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass

from service.images.memory import Header
from service.ipc import SealedMemory
from service.ipc.channel import Channel, Message
from service.messages import (
    CPU,
    DEVICE_FAULT,
    ENGINE_FAILED,
    MAXIMUM_NAME,
    Answered,
    Begun,
    Cancel,
    Cancelled,
    CannotStart,
    DeviceFaulted,
    DeviceTried,
    Ended,
    Faulted,
    MalformedMessage,
    NetworksLoaded,
    Photo,
    Ready,
    RefusedPhoto,
    ScanStopped,
    StatusReport,
    StatusRequest,
    from_web,
)
from service.pipeline.engine_health import FAILED_PHOTOS
from service.pipeline.metrics import WorkerMetrics
from service.pipeline.photo_pipeline import PhotoPipeline
from service.pipeline.readiness import NotWarm, Readiness
from service.pipeline.refusals import REFUSALS, STATUS
from service.recognition.contract import DeviceFault, EngineError
from service.recognition.engines.device_choice import Tried
from service.sandbox import Restrictions
from service.text import encodable
from service.worker.device_watch import DeviceWatch

log = logging.getLogger(__name__)


@dataclass
class WorkerParts:
    """The parts of the worker that the message loop uses."""

    readiness: Readiness
    pipeline: PhotoPipeline
    metrics: WorkerMetrics
    confine: Callable[[], Restrictions] = Restrictions
    """Sets the restrictions that the warm-up would violate; returns all that are in force."""
    restrictions: Restrictions | None = None
    """Restrictions in force, for `/info`; None before the end of the warm-up."""


async def serve(connection: socket.socket, open_parts: Callable[[Tried], WorkerParts]) -> int:
    """Answer messages until the end of the connection; `open_parts` loads the networks, and blocks.

    Returns the exit status: 0 at the end of the connection, 1 if the worker could not start, ENGINE_FAILED if the
    engine needs a new process, DEVICE_FAULT if its device has failed. Status 1 and DEVICE_FAULT follow a message with
    the reason.
    """
    serving = _Serving(connection)
    try:
        serving.work = work = open_parts(serving.tried)
        health = work.pipeline.health
        serving.channel.send(NetworksLoaded().head())
        over = [asyncio.create_task(event.wait()) for event in (serving.closed, health.broken)]
        warming = asyncio.create_task(work.readiness.warm_up())
        await asyncio.wait([warming, *over], return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            work.restrictions = work.confine()
            log.info("sandbox: %s", work.restrictions.summary())
            serving.channel.send(Ready().head())
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        if serving.closed.is_set():
            return 0
        if health.device_fault is not None:
            return serving.device_failed(health.device_fault)
        log.error("the engine has failed for %d photos in a row, and needs a new process", FAILED_PHOTOS)
    except DeviceFault as error:
        return serving.device_failed(str(error))
    except Exception as error:
        serving.channel.send(CannotStart().head(), _reason(error).encode(errors="backslashreplace"))
        return 1
    finally:
        serving.channel.close()
    return ENGINE_FAILED


def _reason(error: Exception) -> str:
    """Text of an expected error, which names a remedy; else the traceback."""
    if isinstance(error, RuntimeError):  # RecognizerError, EngineError, or a machine without threads
        return str(error)
    return "".join(traceback.format_exception(error))


class _Serving:
    """State of one connection: a task for each photo."""

    work: WorkerParts

    def __init__(self, connection: socket.socket) -> None:
        self.closed = asyncio.Event()
        self.channel = Channel(connection, self._received, self.closed.set)
        self._photos: dict[int, asyncio.Task[None]] = {}
        self._scan_stopped = False
        """True once it is reported that the scan has stopped."""
        self._provider = CPU
        """Name of the provider that was tried last."""
        self._loop = asyncio.get_running_loop()
        self._watch = DeviceWatch(self._hangs)

    def tried(self, provider: str, device: str | None) -> None:
        """Report a provider that is about to be opened: its driver may end this process."""
        name = device and encodable(device, MAXIMUM_NAME)
        self.channel.send(DeviceTried(provider=provider, device=name).head())
        self._provider = provider
        if provider != CPU:
            self._watch.start()

    def device_failed(self, reason: str) -> int:
        """Report the fault of the device, and return the exit status."""
        log.error("the device has failed, and this process ends: %s", reason)
        self.channel.send(DeviceFaulted(provider=self._provider, reason=encodable(reason)).head())
        return DEVICE_FAULT

    def _hangs(self, reason: str) -> None:
        """End the worker, from another thread."""
        self._loop.call_soon_threadsafe(lambda: self.work.pipeline.health.device_failed(reason))

    def _received(self, message: Message) -> None:
        match parsed := from_web(message.head):
            case Photo():
                self._begin(parsed, message.memory)
            case Cancel():
                if photo := self._photos.get(parsed.number):
                    photo.cancel()
            case StatusRequest():
                self.channel.send(StatusReport(number=parsed.number).head(), self._status())

    def _begin(self, photo: Photo, content: SealedMemory | None) -> None:
        size = photo.size + photo.name + (photo.face or 0)
        if content is None or content.size != size or photo.number in self._photos:
            raise MalformedMessage("a photo without its bytes, or with a number that is in use")
        task = asyncio.create_task(self._photo(photo, content))
        self._photos[photo.number] = task
        task.add_done_callback(lambda task: self._ended(photo.number, content, task))

    def _ended(self, number: int, content: SealedMemory, task: asyncio.Task[None]) -> None:
        content.close()
        del self._photos[number]
        # Not in the task: a task that is cancelled before its first step runs no line of its code.
        if task.cancelled():
            self._report_stopped_scan()
            self.channel.send(Cancelled(number=number).head())

    async def _photo(self, photo: Photo, content: SealedMemory) -> None:
        """Answer a photo, and send the last message about it, unless it is cancelled or the device has failed."""
        number = photo.number

        def begun(header: Header) -> None:
            message = Begun(number=number, format=header.format, width=header.width, height=header.height)
            self.channel.send(message.head())

        body = b""
        last: Ended
        try:
            body, milliseconds, faces = await self.work.pipeline.answer(photo, content, begun)
            last = Answered(number=number, milliseconds=dict(milliseconds), faces=faces)
        except REFUSALS as error:
            status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
            name, reason = type(error).__name__, encodable(str(error))
            last = RefusedPhoto(number=number, status=status, error=name, reason=reason)
        except DeviceFault:
            return  # without a last message, the next worker gets the photo
        except Exception as error:
            log.exception("the photo of request %s could not be computed", photo.request)
            known = isinstance(error, EngineError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            last = Faulted(number=number, reason=encodable(reason))
        if self.work.pipeline.health.device_fault is not None:
            return  # computed beside the fault
        self._report_stopped_scan()
        self.channel.send(last.head(), body)

    def _report_stopped_scan(self) -> None:
        """Report, once, that the scan has stopped itself. It precedes the last message of the photo that stopped it."""
        if self._scan_stopped:
            return
        try:
            stages = self.work.readiness.now().stages().values()
        except NotWarm:
            return
        for reason in (stage.scan.stopped for stage in stages if stage.scan):
            if reason is not None:
                self._scan_stopped = True
                self.channel.send(ScanStopped(reason=encodable(reason)).head())

    def _status(self) -> bytes:
        try:
            stages = {name: asdict(stage) for name, stage in self.work.readiness.now().stages().items()}
        except NotWarm:
            stages = None
        restricted = {"worker": self.work.restrictions, "decoders": self.work.pipeline.decoders.restrictions}
        status = {
            "metrics": self.work.metrics.text(),
            "stages": stages,
            "restrictions": {process: found and found._asdict() for process, found in restricted.items()},
        }
        return json.dumps(status).encode()
