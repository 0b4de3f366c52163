"""The app's background workers, and a service manager that starts the service anew beneath them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from benchmarks.harness.running import SERVE
from tests.faults.conftest import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.harness.running import Service
    from tests.calling import Caller
    from tests.conftest import StartService

WORKERS = 4
"""Background processes of the app that run at the same time."""

IN_BETWEEN = 2 * WORKERS
"""Photos that are answered before the service is restarted once more."""

ACTIVATE = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
"""What systemd does between fork(2) and execve(2): only the new process has the number that LISTEN_PID has to be."""


class Workers(AbstractContextManager["Workers"]):
    """Callers that each post one photo after the other, without a pause, and count what they lose."""

    def __init__(self, caller: Caller, photos: Sequence[bytes]) -> None:
        self.lost: list[str] = []
        """An answer that is not 200, or the failure of a connection. The app marks such a photo as failed."""
        self.answered = 0
        self.interim = 0
        """Answers that `100 Continue` came before."""
        self.bodies: dict[int, set[bytes]] = {}
        """The different answers to each photo."""
        self._caller = caller
        self._photos = photos
        self._changed = threading.Condition()
        self._ended = False
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a caller hangs"

    def wait_for(self, photos: int) -> None:
        """Returns when so many more photos are answered."""
        with self._changed:
            until = self.answered + photos
            assert self._changed.wait_for(lambda: self.answered >= until, PATIENCE), self.lost

    def _work(self, number: int) -> None:
        turn = number
        while not self._ended:
            index = turn % len(self._photos)
            turn += 1
            try:
                reply = self._caller.post("/detect", self._caller.photo(self._photos[index]))
            except OSError as error:  # a time-out too
                self._lose(repr(error))
                continue
            if reply.status != 200:
                self._lose(f"{reply.status} {reply.body.decode()}")
                continue
            with self._changed:
                self.answered += 1
                self.interim += reply.interim
                self.bodies.setdefault(index, set()).add(reply.body)
                self._changed.notify_all()

    def _lose(self, what: str) -> None:
        with self._changed:
            self.lost.append(what)


class Manager(AbstractContextManager["Manager"]):
    """A service manager with socket activation: it binds the socket, and keeps it over all restarts."""

    def __init__(self, start_service: StartService) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.socket.getsockname()[1]
        self._start_service = start_service

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def start(self, **settings: str) -> Service:
        descriptor = self.socket.fileno()
        command = (sys.executable, "-c", ACTIVATE, str(descriptor), *SERVE)
        return self._start_service(
            command=command, pass_fds=[descriptor], **{"FACE_MODEL": "3", "PORT": str(self.port), **settings}
        )


def restart(start: Callable[[], Service], end: signal.Signals, times: int, workers: Workers) -> Service:
    """Ends the service with this signal and starts the next one, as often as told; the last one, which runs."""
    running = start()
    for _ in range(times):
        workers.wait_for(IN_BETWEEN)
        os.kill(running.process.pid, end)
        status = running.wait()
        assert status == (0 if end == signal.SIGTERM else -end), running.log
        assert "Traceback" not in running.log
        running = start()
    workers.wait_for(IN_BETWEEN)
    return running


def options(listener: socket.socket) -> dict[str, Any]:
    """What a process can leave behind on a socket that it shares."""
    return {
        "blocking": os.get_blocking(listener.fileno()),
        "filter": listener.getsockopt(socket.SOL_SOCKET, SO_GET_FILTER, 0),
        "time-out": listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16),
    }


SO_GET_FILTER = 26
"""asm-generic/socket.h: with no room for them, the number of a filter's instructions."""
