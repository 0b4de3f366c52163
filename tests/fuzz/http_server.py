"""The real HTTP server within the fuzzing process, and a client that sends it bytes."""

import asyncio
import contextlib
import logging
import socket
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import ipc
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from service.logs import FIELDS
from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.recognition.contract import Stage
from service.recognition.engines.device_choice import Tried
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face, Recognition
from service.recognition.timings import Timings
from service.settings import Settings
from service.supervision import Supervisor
from service.web.app import create_app
from service.web.keys import KeyRing
from service.web.server.http_server import server_of
from service.worker.assembly import worker_parts
from service.worker.serving import WorkerParts, serve
from tests.fuzz.pieces import pieces

KEY = "k"
"""API key, which the corpus contains too."""

END_AFTER = 0.01
"""Seconds after which the client shuts down its side, unless an answer ends the request earlier."""

ITERATIONS = 10
"""Iterations of the event loop, enough for bytes to travel to the server and back."""

TIME_OUT = 20.0
"""Time-out in seconds of one exchange; it should take less than a tenth."""


class FixedFace:
    """A recogniser that finds the same face in every photo."""

    def recognize_timed(
        self,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None = None,
        *,
        fallback: bool = True,
    ) -> Recognition:
        landmarks, descriptor = np.zeros((5, 2), np.int64), np.zeros(128, np.float32)
        return Recognition(
            [
                Face(rectangle, 1.0, landmarks, descriptor)
                for rectangle in rectangles or (Rectangle(1, 2, 3, 4),)
            ],
            Timings(),
        )

    def warm_up(self) -> None:
        pass

    def stages(self) -> Mapping[str, Stage]:
        return {}


class WorkerInLoop:
    """A worker on the event loop of its web server, with decoders in child processes."""

    def __init__(self, settings: Settings, decoders: ForkServer) -> None:
        self.connection, others = ipc.pair()

        def opened(_: Tried) -> WorkerParts:
            return worker_parts(
                settings, Capacity.of(settings, cores=1), FixedFace(), DecoderPool(decoders, 2)
            )

        self._serving = asyncio.create_task(serve(others, opened))

    def kill(self) -> None:
        self._serving.cancel()

    async def ended(self) -> int:
        await asyncio.wait({self._serving})
        return 0


class _Errors(logging.Handler):
    """Collects log lines of errors and of requests answered with 5xx."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, FIELDS, None) or {}
        status = fields.get("status", 0)
        if record.levelno >= logging.ERROR or status >= 500:
            self.found.append(logging.Formatter().format(record))


class HttpServer:
    """A server on a free port, which runs only during `exchange`."""

    def __init__(self) -> None:
        self._errors = _Errors()
        logging.getLogger().addHandler(self._errors)
        logging.getLogger("service").setLevel(logging.INFO)
        settings = Settings.model_validate(
            {"API_KEY": KEY, "FACE_STORE": Path(tempfile.mkdtemp()), "GUNICORN_WORKERS": 1}
        )
        capacity = Capacity.of(settings, cores=1)
        decoders = ForkServer(log_level="error")
        decoders.start()
        supervisor = Supervisor(lambda **_: WorkerInLoop(settings, decoders), self._errors.found.append)
        app = create_app(settings, KeyRing([KEY]), capacity, plan(settings, capacity), supervisor)
        self._server = server_of(app, settings)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(
            lambda _, context: self._errors.found.append(
                f"{context['message']}: {context.get('exception')!r}"
            )
        )
        self._loop.run_until_complete(self._start())

    def exchange(self, data: bytes) -> None:
        """Sends all bytes, and reads until the server closes. Raises AssertionError if the server logs an error."""
        self._errors.found.clear()
        self._loop.run_until_complete(asyncio.wait_for(self._exchange(data), TIME_OUT))
        assert not self._errors.found, "\n".join(self._errors.found)

    async def _start(self) -> None:
        self._serving = self._loop.create_task(self._server.serve([self._listener]))
        while not (self._server.started and b" 200 " in await self._answer(b"GET /ready HTTP/1.0\r\n\r\n")):
            await asyncio.sleep(END_AFTER)

    async def _exchange(self, data: bytes) -> None:
        await self._answer(data)
        state = self._server.server_state
        while state.connections or state.tasks:
            await asyncio.sleep(0)

    async def _processed(self) -> None:
        end = self._loop.time() + END_AFTER
        for _ in range(ITERATIONS):
            await asyncio.sleep(0)
        while self._server.server_state.tasks and self._loop.time() < end:
            await asyncio.sleep(0)

    async def _answer(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._listener.getsockname())
        # Frees the port at once.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        answer = b""
        # An answer before the last piece closes the connection, and further pieces reset it.
        with contextlib.suppress(ConnectionError):
            for piece in pieces(data):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            await self._processed()
            writer.write_eof()
            while piece := await reader.read(1 << 16):
                answer += piece
        writer.transport.abort()
        return answer
