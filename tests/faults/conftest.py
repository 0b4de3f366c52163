"""A small service that many call at once, and the crowd that calls it."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.harness.running import Service
from tests.calling import Caller, Reply
from tests.conftest import StartService

SMALL_PHOTOS = ("obama2.jpg", "800px-Katherine_Maher.jpg", "astronaut.png", "chelsea.png", "rocket.jpg")
PATIENCE = 300.0
"""Seconds after which something hangs; none of these tests asks how fast the machine is."""


@dataclass
class Crowd:
    """Many callers, each posting one photo after the other until told to stop; they remember what happened."""

    caller: Caller
    photos: list[bytes]
    size: int
    replies: list[Reply] = field(default_factory=list)
    refused: int = 0
    """Connections that were never accepted."""
    failures: list[BaseException] = field(default_factory=list)
    """What happened on connections that were accepted, in the place of an answer."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self.all_connected = threading.Barrier(self.size + 1, timeout=PATIENCE)
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(self.size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Nobody calls again; returns when all have their answers."""
        self._enough.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a caller hangs"

    @property
    def statuses(self) -> Counter[int]:
        with self._lock:
            return Counter(reply.status for reply in self.replies)

    def _call(self, number: int) -> None:
        first = True
        while not self._enough.is_set():
            try:
                connection = self.caller.connect()
            except (ConnectionRefusedError, TimeoutError):
                with self._lock:
                    self.refused += 1
                return
            if first:
                self.all_connected.wait()
                first = False
            try:
                photo = self.photos[number % len(self.photos)]
                reply = self.caller.post("/detect", self.caller.photo(photo), connection=connection)
            except OSError as error:
                with self._lock:
                    self.failures.append(error)
                return
            with self._lock:
                self.replies.append(reply)


def reduced_by(*command: str) -> tuple[str, ...]:
    """The command, which runs another one with less than this process has. The test is skipped where it cannot."""
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} here")
    if tried.returncode:
        pytest.skip(f"this system refuses it: {tried.stderr.strip()}")
    return command


@pytest.fixture(scope="session")
def small_photos(photos: dict[str, Path]) -> list[bytes]:
    return [photos[name].read_bytes() for name in SMALL_PHOTOS]


@pytest.fixture
def service(start_service: StartService) -> Iterator[Service]:
    """A service of model 4 that the test may end."""
    running = start_service(FACE_MODEL="4")
    running.wait_until_ready()
    yield running
    running.close()


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port, patience=PATIENCE)
