"""The front of deploy/haproxy: it streams, waits for a service that is away, and follows it to another address."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.harness import processes
from benchmarks.harness.running import free_port
from tests.calling import Caller
from tests.faults.conftest import PATIENCE
from tests.faults.front import CONFIGURATION, HAPROXY, front, listens, needs_haproxy

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

pytestmark = needs_haproxy

LARGE = 100 * 1024 * 1024
"""Bytes of an upload; the service takes 128 MiB."""

IPV4 = 1
"""Type of a question for an IPv4 address (A, RFC 1035)."""


@pytest.fixture
def small_service(start_service: StartService) -> Iterator[Service]:
    running = start_service(FACE_MODEL="3")
    running.wait_until_ready()
    yield running
    running.close()


@dataclass
class NameServer:
    """Answers each question for an IPv4 address with `address`; without one, no name exists."""

    address: str | None = None
    socket: socket.socket = field(default_factory=lambda: socket.socket(type=socket.SOCK_DGRAM))
    unknown: threading.Event = field(default_factory=threading.Event)
    """Set when a question was answered with: no such name."""

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            asked, peer = self.socket.recvfrom(512)
            if not asked:
                return
            self.socket.sendto(self._answer(asked), peer)

    def _answer(self, asked: bytes) -> bytes:
        question = asked[12 : asked.index(b"\0", 12) + 5]
        (kind,) = struct.unpack(">H", question[-4:-2])
        address = self.address
        found = address is not None and kind == IPV4
        flags = 0x8180 if address is not None else 0x8183  # RFC 1035, section 4.1.1: a response; NXDOMAIN
        head = asked[:2] + struct.pack(">HHHHH", flags, 1, found, 0, 0)
        if address is None:
            self.unknown.set()
        if not found or address is None:
            return head + question
        record = struct.pack(">HHHIH", 0xC00C, IPV4, 1, 1, 4) + socket.inet_aton(address)
        return head + question + record


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer()
    with server.socket:
        server.socket.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        server.socket.sendto(b"", server.socket.getsockname())
        thread.join()


def test_the_configuration_has_no_warning() -> None:
    checked = subprocess.run(
        [str(HAPROXY), "-c", "-f", CONFIGURATION],
        env={"PATH": os.environ["PATH"], "MODEL": "127.0.0.1:5000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_bodies_are_streamed_and_never_on_disk(small_service: Service, portrait: bytes) -> None:
    """A photo followed by as many other bytes as an upload may have; decoders pass over them."""
    with front(f"127.0.0.1:{small_service.port}") as (port, pid):
        caller = Caller(port, patience=PATIENCE)
        body = caller.photo(portrait + bytes(LARGE))
        with ThreadPoolExecutor(4) as threads:
            replies = list(threads.map(lambda _: caller.post("/detect", body), range(4)))
        assert [(reply.status, reply.interim) for reply in replies] == [(200, True)] * 4
        assert replies[0].json["faces-count"] == 1
        written = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
        assert "write_bytes: 0\n" in written
        assert processes.peak_memory(pid) < LARGE / 1024**2


def test_a_caller_that_ended_its_own_side_gets_its_answer(small_service: Service, portrait: bytes) -> None:
    with front(f"127.0.0.1:{small_service.port}") as (port, _):
        caller = Caller(port, patience=PATIENCE)
        head, body = caller.form("/detect", caller.photo(portrait))
        with caller.connect() as half:
            half.sendall(head + body)
            half.shutdown(socket.SHUT_WR)
            with half.makefile("rb") as stream:
                assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_caller_waits_for_a_service_that_comes_later_and_elsewhere(names: NameServer) -> None:
    """As a container that is made anew: its name is unknown at first and in between, and its address another one."""
    model = free_port()
    with front(f"model:{model}", FRONT_DNS=names.at) as (port, _), ThreadPoolExecutor(1) as threads:
        caller = Caller(port, patience=PATIENCE)
        for address in ("127.0.0.2", "127.0.0.3"):
            names.address = None
            names.unknown.clear()
            asking = threads.submit(caller.get, "/health")
            assert names.unknown.wait(PATIENCE)
            assert not asking.done()
            with answering(address, model):
                names.address = address
                assert asking.result().body == address.encode()


def test_what_is_in_work_is_answered_before_the_front_ends() -> None:
    """By the signal that compose.yaml names."""
    model = free_port()
    with front(f"127.0.0.1:{model}") as (port, pid):
        caller = Caller(port, patience=PATIENCE)

        def end() -> None:
            os.kill(pid, signal.SIGUSR1)
            deadline = time.monotonic() + PATIENCE
            while listens(port):
                assert time.monotonic() < deadline
                time.sleep(0.02)

        with answering("127.0.0.1", model, before=end):
            assert caller.get("/health").body == b"127.0.0.1"


@contextmanager
def answering(address: str, port: int, before: Callable[[], object] = bool) -> Iterator[None]:
    """A server there, which calls `before` once it has a request, and answers it with its address."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            before()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(address), address.encode())
            )

    with closing(socket.create_server((address, port))) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()
