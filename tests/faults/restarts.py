"""The app's background jobs, and a service manager that restarts the service while they run."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from benchmarks.processes.held_port import activation
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.processes.running import Service
    from tests.calling import Caller
    from tests.services import StartService

JOBS = 4
"""Number of the app's background processes that run at the same time."""

PHOTOS_PER_START = 2 * JOBS
"""Number of answered photos between two restarts."""


class Jobs(AbstractContextManager["Jobs"]):
    """Concurrent callers that post one photo after the other without a pause, and count the lost ones."""

    def __init__(self, caller: Caller, photos: Sequence[bytes]) -> None:
        self.lost: list[str] = []
        """Answers other than 200, and failed connections. The app marks such a photo as failed."""
        self.answered = 0
        self.interim = 0
        """Number of answers after a `100 Continue`."""
        self.bodies: dict[int, set[bytes]] = {}
        """Distinct answers by photo."""
        self._caller = caller
        self._photos = photos
        self._changed = threading.Condition()
        self._ended = False
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(JOBS)]

    def __enter__(self) -> Jobs:
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
        """Returns when this number of further photos is answered."""
        with self._changed:
            until = self.answered + photos
            assert self._changed.wait_for(lambda: self.answered >= until, PATIENCE), self.lost

    def _work(self, number: int) -> None:
        count = number
        while not self._ended:
            index = count % len(self._photos)
            count += 1
            try:
                reply = self._caller.post("/detect", self._caller.photo(self._photos[index]))
            except OSError as error:  # time-outs included
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

    def _lose(self, reason: str) -> None:
        with self._changed:
            self.lost.append(reason)


class ServiceManager(AbstractContextManager["ServiceManager"]):
    """A service manager with socket activation: it binds the socket and keeps it over all restarts."""

    def __init__(self, start_service: StartService) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.socket.getsockname()[1]
        self._start_service = start_service

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def start(self, **settings: str) -> Service:
        return self._start_service(
            command=activation(self.socket),
            pass_fds=[self.socket.fileno()],
            **{"FACE_MODEL": "3", "PORT": str(self.port), **settings},
        )


def restart(start: Callable[[], Service], end: signal.Signals, times: int, jobs: Jobs) -> Service:
    """Restarts the service `times` times with this signal while the jobs run. Returns the last service, running."""
    running = start()
    for _ in range(times):
        jobs.wait_for(PHOTOS_PER_START)
        os.kill(running.process.pid, end)
        status = running.wait()
        assert status == (0 if end == signal.SIGTERM else -end), running.log
        assert "Traceback" not in running.log
        running = start()
    jobs.wait_for(PHOTOS_PER_START)
    return running


def options(listener: socket.socket) -> dict[str, Any]:
    """Options that persist on a socket which several processes share."""
    return {
        "blocking": os.get_blocking(listener.fileno()),
        "filter": listener.getsockopt(socket.SOL_SOCKET, SO_GET_FILTER, 0),
        "time-out": listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16),
    }


SO_GET_FILTER = 26
"""asm-generic/socket.h; with a buffer of 0 bytes it returns the number of the filter's instructions."""
