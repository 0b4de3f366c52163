"""Client side of the fork server: starts and ends it, forks and ends its children, exchanges packets with them."""

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from service import ipc
from service.decoders import messages
from service.sandbox import Restrictions

PROGRAM = ("-m", "service.decoders.fork_server")

ENVIRONMENT = {
    # A thread pool does not survive the fork. One thread decodes an image; several images are decoded in parallel.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    # OpenCV would print warnings about a photo to standard error, outside of the log.
    "OPENCV_LOG_LEVEL": "SILENT",
}


class ServerGone(Exception):
    """The fork server has ended, and all its children with it."""


class Child:
    """A decoder child: its number, and this process's end of its connection."""

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number = number
        self.connection = connection
        self.restrictions: Restrictions | None = None
        """Sandbox of the child; None before its first reply."""

    @property
    def is_idle(self) -> bool:
        """True if the child is alive and has sent nothing since its last reply."""
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    async def exchange(self, packet: bytes, upload: ipc.SealedMemory) -> tuple[bytes, list[int]]:
        """Send a request, and return the reply and its descriptors. An empty reply is the exit of the child.

        Raises MalformedPacket, MalformedMessage or ConnectionError.
        """
        ipc.send(self.connection, packet, (upload.descriptor,))
        if self.restrictions is None:
            greeting, _ = await self._received()
            if not greeting:
                return b"", []
            self.restrictions = messages.restrictions(greeting)
        return await self._received()

    async def _received(self) -> tuple[bytes, list[int]]:
        await _readable(self.connection)
        return ipc.receive(self.connection)


class ForkServer:
    """The fork server as a child process, for one event loop. Restarted by the first `fork` after its exit."""

    def __init__(
        self, *, log_level: str = "info", log_format: str = "text", program: Sequence[str] = PROGRAM
    ) -> None:
        """`program`: arguments of the Python interpreter that run the fork server."""
        self._command = (*program,)
        self._logging = (log_level, log_format)
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._watching = False
        self._ends: dict[int, asyncio.Future[int | None]] = {}
        self.started = 0
        """Number of fork servers started so far."""

    def start(self) -> None:
        """Start the process and return at once; its imports take 0.3 s.

        Call it in the main thread: the process ends with the thread that started it. Raises OSError.
        """
        ours, its = ipc.pair()
        with its:
            arguments = (str(its.fileno()), str(os.getpid()), *self._logging)
            self._process = subprocess.Popen(
                [sys.executable, *self._command, *arguments],
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        ours.setblocking(False)
        self._connection = ours
        self.started += 1

    def fork(self) -> Child:
        """Fork a child; start the fork server if it is not running. The child accepts requests at once.

        If the fork fails, the child's connection ends. Raises ServerGone if the fork server has ended or is
        stuck, OSError if it cannot be started.
        """
        if self._connection is None:
            self.start()
        number = next(self._numbers)
        ours, its = ipc.pair()
        with its:
            try:
                self._send(number, (its.fileno(),))
            except ServerGone:
                ours.close()
                raise
        ours.setblocking(False)
        return Child(number, ours)

    async def end(self, child: Child) -> int | None:
        """End a child that has not exited by itself, and return its status of wait(2).

        None if there is no such child: the fork failed, or the fork server has ended.
        """
        child.connection.close()
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._ends[child.number] = ended
        try:
            self._send(child.number)
            return await ended
        except ServerGone:
            return None
        finally:
            del self._ends[child.number]

    def release(self) -> None:
        """Detach from the running event loop, so that another one can use the fork server."""
        if self._watching and self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
        self._watching = False

    def close(self) -> None:
        """Kill the fork server; the kernel kills its children with it."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process is not None:
            if self._watching:
                asyncio.get_running_loop().remove_reader(connection)
            self._watching = False
            connection.close()
            self._process.kill()
            self._process.wait()
        for ended in self._ends.values():
            if not ended.done():
                ended.set_result(None)

    def _send(self, number: int, descriptors: Sequence[int] = ()) -> None:
        if self._connection is None:
            raise ServerGone("the fork server has ended")
        if not self._watching:
            asyncio.get_running_loop().add_reader(self._connection, self._read)
            self._watching = True
        try:
            ipc.send(self._connection, json.dumps(number).encode(), descriptors)
        except ConnectionError as error:
            self.close()
            raise ServerGone("the fork server has ended") from error
        except BlockingIOError as error:
            raise ServerGone("the fork server is stuck") from error

    def _read(self) -> None:
        """Handle an answer to `end`, or the exit of the fork server."""
        assert self._connection is not None
        try:
            packet, _ = ipc.receive(self._connection)
        except ConnectionError:
            packet = b""
        if not packet:
            self.close()
            return
        number, status = json.loads(packet)
        ended = self._ends.get(number)
        if ended is not None and not ended.done():
            ended.set_result(status)


async def _readable(connection: socket.socket) -> None:
    """Wait for a packet, or for the end of the connection."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def notice() -> None:
        loop.remove_reader(connection)  # it would fire again until the packet is received
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection, notice)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
