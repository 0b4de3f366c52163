from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service import ipc
from service.decoders.pool import DecoderPool
from service.ipc import SealedMemory
from service.ipc.channel import Channel, Message
from service.memory.capacity import Capacity
from service.messages import (
    DEVICE_FAULT,
    Answered,
    Begun,
    Cancel,
    Cancelled,
    CannotStart,
    DeviceFaulted,
    DeviceTried,
    FromWorker,
    NetworksLoaded,
    Photo,
    Ready,
    RefusedPhoto,
    ScanStopped,
    StatusReport,
    StatusRequest,
    from_worker,
    worker_status,
)
from service.recognition.contract import DeviceFault
from service.recognition.engines.device_choice import Tried
from service.recognition.ort import device_calls
from service.settings import Settings
from service.worker import device_watch
from service.worker.assembly import worker_parts
from service.worker.serving import WorkerParts, serve
from tests.unit.service.coroutines import run_async, settle

if TYPE_CHECKING:
    from service.decoders.handle import ForkServer
    from tests.unit.service.conftest import SteeredRecognizer


class Web:
    """The web process's end of the connection."""

    def __init__(self, serving: asyncio.Task[int], channel: Channel, came: asyncio.Queue[Message]) -> None:
        self.serving = serving
        self.channel = channel
        self._came = came
        self.closed = asyncio.Event()

    def post(self, number: int, content: bytes, *, size: int | None = None) -> None:
        photo = Photo(
            number=number,
            size=size or len(content),
            name=0,
            face=None,
            known=False,
            maximum_area=10_000,
            request="a-request",
        )
        with SealedMemory.of(content) as memory:
            self.channel.send(photo.head(), memory=memory)

    async def next(self) -> tuple[FromWorker, bytes]:
        message = await self._came.get()
        return from_worker(message.head), message.body

    def has_nothing(self) -> bool:
        return self._came.empty()


class Worker:
    """`serve` with a controlled recogniser, on the running event loop."""

    def __init__(self, folder: Path, recognizer: SteeredRecognizer, fork_server: ForkServer) -> None:
        self._settings = Settings.model_validate({"FACE_STORE": folder, "GUNICORN_WORKERS": 1})
        self._recognizer = recognizer
        self._fork_server = fork_server
        self.providers: list[tuple[str, str | None]] = []
        """Providers that are tried while the networks are loaded, with the names of their devices."""
        self.fault: DeviceFault | None = None
        """Fault of the device while it is opened."""

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Web, None]:
        ours, its = ipc.pair()
        came: asyncio.Queue[Message] = asyncio.Queue()
        closed = asyncio.Event()
        channel = Channel(ours, came.put_nowait, closed.set)
        web = Web(asyncio.create_task(serve(its, self._work)), channel, came)
        web.closed = closed
        try:
            yield web
        finally:
            self._recognizer.gate.set()
            self._recognizer.warming.set()
            channel.close()
            await web.serving
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:  # as asyncio.run does in the worker
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._decoders.close()
            self._fork_server.release()

    def _work(self, tried: Tried) -> WorkerParts:
        self._decoders = DecoderPool(self._fork_server, 2)
        for provider, device in self.providers:
            tried(provider, device)
        if self.fault is not None:
            raise self.fault
        return worker_parts(
            self._settings, Capacity.of(self._settings, cores=1), self._recognizer, self._decoders
        )


@pytest.fixture
def worker(tmp_path: Path, recognizer: SteeredRecognizer, fork_server: ForkServer) -> Worker:
    return Worker(tmp_path, recognizer, fork_server)


async def started(web: Web) -> None:
    assert await web.next() == (NetworksLoaded(), b"")
    assert await web.next() == (Ready(), b"")


def test_a_photo_is_begun_and_answered(worker: Worker, png: bytes) -> None:
    async def story() -> None:
        async with worker.connected() as web:
            await started(web)
            web.post(7, png)
            assert await web.next() == (Begun(number=7, format="PNG", width=64, height=48), b"")
            last, body = await web.next()
            assert isinstance(last, Answered)
            assert (last.number, b'"faces-count":1' in body) == (7, True)
            assert list(last.milliseconds) == ["decode", "descriptors"]
            assert last.milliseconds["decode"] > 0
            assert last.milliseconds["descriptors"] == 250
            web.post(8, b"no photo")
            refused, _ = await web.next()
            assert isinstance(refused, RefusedPhoto)
            assert (refused.number, refused.status) == (8, 415)
            web.channel.close()
            assert await web.serving == 0

    run_async(story)


def test_a_stopped_scan_is_reported_once_before_the_end_of_its_photo(
    worker: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    async def story() -> None:
        async with worker.connected() as web:
            await started(web)
            web.post(1, png)
            assert [type((await web.next())[0]) for _ in range(2)] == [Begun, Answered]
            recognizer.scan = replace(recognizer.scan, stopped="a checked photo differed")
            web.post(2, png)
            messages = [(await web.next())[0] for _ in range(3)]
            assert [type(message) for message in messages] == [Begun, ScanStopped, Answered]
            assert messages[1] == ScanStopped(reason="a checked photo differed")
            web.post(3, png)
            assert [type((await web.next())[0]) for _ in range(2)] == [Begun, Answered]

    run_async(story)


def test_a_stopped_scan_is_reported_after_a_cancelled_photo(
    worker: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    recognizer.scan = replace(recognizer.scan, stopped="a checked photo differed")

    async def story() -> None:
        async with worker.connected() as web:
            await started(web)
            web.post(1, png)
            web.channel.send(Cancel(number=1).head())
            assert [type((await web.next())[0]) for _ in range(2)] == [ScanStopped, Cancelled]

    run_async(story)


def test_a_photo_cancelled_before_its_first_step_is_reported(worker: Worker, png: bytes) -> None:
    async def story() -> None:
        async with worker.connected() as web:
            await started(web)
            for number in (1, 2):
                web.post(number, png)
                web.channel.send(Cancel(number=number).head())  # both come in one turn of the loop
            assert [await web.next(), await web.next()] == [
                (Cancelled(number=1), b""),
                (Cancelled(number=2), b""),
            ]
            web.channel.send(Cancel(number=3).head())  # of no photo
            web.post(4, png)
            assert (await web.next())[0] == Begun(number=4, format="PNG", width=64, height=48)

    run_async(story)


def test_a_photo_cancelled_in_a_thread_is_reported_when_the_thread_ends(
    worker: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    async def story() -> None:
        recognizer.gate.clear()
        async with worker.connected() as web:
            await started(web)
            web.post(1, png)
            assert isinstance((await web.next())[0], Begun)
            assert await asyncio.to_thread(recognizer.entered.acquire, timeout=30)
            web.channel.send(Cancel(number=1).head())
            await asyncio.sleep(0.05)
            assert web.has_nothing()  # it may still be the cause of a death
            recognizer.gate.set()
            assert await web.next() == (Cancelled(number=1), b"")

    run_async(story)


def test_photos_that_wait_for_a_warm_up_that_fails_have_no_answer(
    worker: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    async def story() -> None:
        recognizer.warming.clear()
        recognizer.warm_failure = RuntimeError("the device is away")
        async with worker.connected() as web:
            assert await web.next() == (NetworksLoaded(), b"")
            for number in range(3):
                web.post(number, png)
            await asyncio.sleep(0.3)  # their headers are read
            recognizer.warming.set()
            assert await web.next() == (CannotStart(), b"the device is away")
            await web.closed.wait()
            assert web.has_nothing()
            assert await web.serving == 1

    run_async(story)


def test_a_status_is_reported_in_every_state(worker: Worker, recognizer: SteeredRecognizer) -> None:
    async def story() -> None:
        recognizer.warming.clear()
        async with worker.connected() as web:
            assert await web.next() == (NetworksLoaded(), b"")
            web.channel.send(StatusRequest(number=5).head())
            report, body = await web.next()
            assert (report, worker_status(body).stages) == (StatusReport(number=5), None)
            recognizer.warming.set()
            assert await web.next() == (Ready(), b"")
            web.channel.send(StatusRequest(number=6).head())
            _, body = await web.next()
            status = worker_status(body)
            assert status.stages is not None
            assert status.stages["cnn_detections"].provider == "test"
            assert "face_faces_total 0.0" in status.metrics

    run_async(story)


GPU = ("webgpu", "a graphics card")


@pytest.fixture
def on_device(worker: Worker) -> Worker:
    worker.providers = [GPU]
    return worker


async def opened_device(web: Web) -> None:
    assert await web.next() == (DeviceTried(provider=GPU[0], device=GPU[1]), b"")


async def ends_by_its_device(web: Web, reason: str) -> None:
    assert await web.next() == (DeviceFaulted(provider="webgpu", reason=reason), b"")
    await web.closed.wait()
    assert web.has_nothing()
    assert await web.serving == DEVICE_FAULT


def test_a_device_that_fails_ends_the_worker_before_any_further_answer(
    on_device: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    async def story() -> None:
        async with on_device.connected() as web:
            await opened_device(web)
            await started(web)
            recognizer.failures = [DeviceFault("the scores are zeros alone")]
            recognizer.gate.clear()
            for number in range(4):  # one in work, and the rest in the queue
                web.post(number, png)
            assert isinstance((await web.next())[0], Begun)
            recognizer.gate.set()
            while isinstance(last := (await web.next())[0], Begun):
                pass
            assert last == DeviceFaulted(provider="webgpu", reason="the scores are zeros alone")
            await web.closed.wait()
            assert web.has_nothing()
            assert await web.serving == DEVICE_FAULT
            assert not any(recognizer.fallback_allowed)

    run_async(story)


def test_a_device_that_fails_while_it_is_opened_ends_the_worker(on_device: Worker) -> None:
    on_device.fault = DeviceFault("it is gone")

    async def story() -> None:
        async with on_device.connected() as web:
            await opened_device(web)
            await ends_by_its_device(web, "it is gone")

    run_async(story)


def test_a_device_that_fails_in_the_warm_up_ends_the_worker(
    on_device: Worker, recognizer: SteeredRecognizer, png: bytes
) -> None:
    recognizer.warming.clear()
    recognizer.warm_failure = DeviceFault("it is gone")

    async def story() -> None:
        async with on_device.connected() as web:
            await opened_device(web)
            assert await web.next() == (NetworksLoaded(), b"")
            web.post(1, png)
            await asyncio.sleep(0.1)
            recognizer.warming.set()
            await ends_by_its_device(web, "it is gone")

    run_async(story)


@pytest.mark.parametrize("warm", [True, False])
def test_a_call_of_a_device_that_hangs_ends_the_worker(
    on_device: Worker, recognizer: SteeredRecognizer, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    monkeypatch.setattr(device_watch, "DEADLINE", 0.1)
    monkeypatch.setattr(device_watch, "GRACE", 1000)  # its thread would end this process
    if not warm:
        recognizer.warming.clear()

    async def story() -> None:
        async with on_device.connected() as web:
            await opened_device(web)
            assert await web.next() == (NetworksLoaded(), b"")
            if warm:
                assert await web.next() == (Ready(), b"")
            for _ in range(5):  # each call within the deadline
                with device_calls.recorded():
                    await asyncio.sleep(0.05)
            assert not web.serving.done()
            with device_calls.recorded():
                await ends_by_its_device(web, "a call of its driver has not returned within 0 seconds")

    run_async(story)


def _no_json(web: Web, png: bytes) -> None:
    web.channel.send(b"{")


def _of_the_other_side(web: Web, png: bytes) -> None:
    web.channel.send(NetworksLoaded().head())


def _without_bytes(web: Web, png: bytes) -> None:
    head = Photo(number=2, size=5, name=0, face=None, known=False, maximum_area=1, request="-").head()
    web.channel.send(head)


def _of_more_bytes(web: Web, png: bytes) -> None:
    web.post(2, png, size=len(png) + 1)


def _of_fewer_bytes(web: Web, png: bytes) -> None:
    web.post(2, png, size=len(png) - 1)


def _of_a_number_in_work(web: Web, png: bytes) -> None:
    web.post(1, png)


@pytest.mark.parametrize(
    "send",
    [_no_json, _of_the_other_side, _without_bytes, _of_more_bytes, _of_fewer_bytes, _of_a_number_in_work],
)
def test_invalid_messages_end_the_worker(
    worker: Worker,
    recognizer: SteeredRecognizer,
    png: bytes,
    send: Callable[[Web, bytes], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        recognizer.gate.clear()
        async with worker.connected() as web:
            await started(web)
            web.post(1, png)
            assert isinstance((await web.next())[0], Begun)
            send(web, png)
            await web.closed.wait()
            recognizer.gate.set()
            assert await web.serving == 0
            await settle()

    run_async(story)
    assert any(record.levelno == logging.ERROR for record in caplog.records)
