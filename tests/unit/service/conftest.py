"""The web application on a real port, with a worker in a thread and a recogniser that the test controls."""

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service import ipc
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.recognition.contract import DeviceProof, ScanFigures, ScanTrial, Stage
from service.recognition.engines.device_choice import Tried
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face, Recognition
from service.recognition.timings import Timings
from service.settings import Settings
from service.supervision import Supervisor
from service.web.app import create_app
from service.web.keys import KeyRing
from service.web.server.certificate import Certificate, files_of
from service.web.server.http_server import server_of
from service.worker.assembly import worker_parts
from service.worker.serving import WorkerParts, serve

KEY = "tést key/+="
OLD_KEY = "the key before"
PATIENCE = 30
"""Seconds after which a test has failed; no test measures the speed of the machine with it."""


class SteeredRecognizer:
    """Fake recogniser: finds one fixed face in every photo, once `gate` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.photos = 0
        self.running = 0
        self.most_running = 0
        self.warm = False
        self.warming = threading.Event()
        self.warming.set()
        self.warm_failure: Exception | None = None
        self.failures: list[Exception] = []
        """Errors of the next photos, in order."""
        self.fallback_allowed: list[bool] = []
        """For each photo, True if the fallback to another engine was allowed."""
        self.running_at_retries: list[int] = []
        """For each retried photo, the number of photos in work, itself included."""
        self.score = 1.0625
        self.fallbacks = 0
        """Number of photos that fell back to another engine, if `falls_back`."""
        self.falls_back = False
        self.scan = ScanFigures(7, 1, 2, 3, scores=1000, rescored=50, largest_error=0.0625)
        self.device_proof = DeviceProof(
            "webgpu", "A GPU", None, True, None, None, 2.5e-7, faces_differ=False, time_ratio=0.25
        )

    def recognize_timed(
        self,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None = None,
        *,
        fallback: bool = True,
    ) -> Recognition:
        with self.lock:
            self.photos += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self.fallback_allowed.append(fallback)
            if fallback:
                self.running_at_retries.append(self.running)
                self.fallbacks += self.falls_back
        self.entered.release()
        assert self.gate.wait(PATIENCE)
        with self.lock:
            self.running -= 1
        if self.failures:
            raise self.failures.pop(0)
        landmarks = np.arange(10, dtype=np.int64).reshape(5, 2)
        descriptor = np.linspace(-0.3, 0.3, 128, dtype=np.float32)
        faces = [
            Face(rectangle, self.score, landmarks, descriptor)
            for rectangle in (rectangles or [Rectangle(1, 2, 3, 4)])
        ]
        return Recognition(faces, Timings(descriptors=0.25))

    def warm_up(self) -> None:
        assert self.warming.wait(PATIENCE)
        if self.warm_failure:
            raise self.warm_failure
        self.warm = True

    def stages(self) -> Mapping[str, Stage]:
        stage = Stage(
            "steered",
            "test",
            self.fallbacks,
            on_cpu=4,
            batches={1: 5, 3: 2},
            precision="int8 scan",
            scan=self.scan,
            trial=ScanTrial(0.5, 0.125, kept=True, file="/cache/a.json"),
        )
        refused = Stage(
            "steered", "test", batches={1: 5}, scan_refused="it differs", device_proof=self.device_proof
        )
        return {"cnn_detections": stage, "descriptors": refused}


class WorkerInThread:
    """The worker in a thread instead of a process: real messages, and decoders in child processes."""

    def __init__(self, settings: Settings, recognizer: SteeredRecognizer, decoders: ForkServer) -> None:
        self._settings = settings
        self._recognizer = recognizer
        self._decoders = decoders
        self.connection, self._others = ipc.pair()
        self._status = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()

    def kill(self) -> None:
        """Does nothing, since a thread cannot be killed; it ends with the connection."""

    async def ended(self) -> int:
        await asyncio.to_thread(self._thread.join)
        return self._status

    async def _serve(self) -> None:
        decoders = DecoderPool(self._decoders, 2)

        def opened(_: Tried) -> WorkerParts:
            return worker_parts(
                self._settings, Capacity.of(self._settings, cores=1), self._recognizer, decoders
            )

        self._status = await serve(self._others, opened)
        await decoders.close()
        self._decoders.release()


@contextmanager
def client(port: int, headers: dict[bytes, bytes] | None = None) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE) as opened:
        yield opened


Server = Callable[..., AbstractContextManager[int]]


@pytest.fixture
def recognizer() -> Iterator[SteeredRecognizer]:
    steered = SteeredRecognizer()
    yield steered
    steered.gate.set()
    steered.warming.set()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Fork server of the decoders; shared by all tests, since its start takes 0.3 s."""
    server = ForkServer(log_level="debug")
    server.start()
    yield server
    server.close()


@pytest.fixture
def serving(recognizer: SteeredRecognizer, fork_server: ForkServer, tmp_path: Path) -> Server:
    """`with serving(FACE_MODEL=3) as port:` runs the service in a thread, with these settings."""

    @contextmanager
    def serve(
        *,
        on_failure: Callable[[str], None] = lambda _: None,
        **values: object,
    ) -> Iterator[int]:
        settings = Settings.model_validate({"FACE_STORE": tmp_path, "GUNICORN_WORKERS": 1, **values})
        capacity = Capacity.of(settings, cores=1)
        supervisor = Supervisor(lambda **_: WorkerInThread(settings, recognizer, fork_server), on_failure)
        app = create_app(settings, KeyRing([OLD_KEY, KEY]), capacity, plan(settings, capacity), supervisor)
        files = files_of(settings)
        server = server_of(app, settings, None if files is None else Certificate(files))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                recognizer.gate.set()
                recognizer.warming.set()
                server.should_exit = True
                thread.join(PATIENCE)
                assert not thread.is_alive()

    return serve


@pytest.fixture(scope="session")
def png() -> bytes:
    """A photo of 64 by 48 pixels, as a PNG."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def key_header() -> dict[bytes, bytes]:
    return {b"x-api-key": KEY.encode()}
