"""The reverse proxy of deploy/haproxy: streaming, waiting for an absent service, and its change of address."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes import process_tree
from benchmarks.processes.running import free_port
from tests.calling import Caller
from tests.faults.front import CONFIGURATION, HAPROXY, front, listens, needs_haproxy
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service

pytestmark = needs_haproxy

LARGE = 100 * 1024 * 1024
"""Bytes of an upload; the service accepts 128 MiB."""

IPV4 = 1
"""Type of a DNS query for an IPv4 address (A, RFC 1035)."""


@dataclass
class NameServer:
    """A DNS server that answers each IPv4 query with `address`, and with NXDOMAIN if that is None."""

    address: str | None = None
    socket: socket.socket = field(default_factory=lambda: socket.socket(type=socket.SOCK_DGRAM))
    unknown: threading.Event = field(default_factory=threading.Event)
    """Set once a query was answered with NXDOMAIN."""

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            query, peer = self.socket.recvfrom(512)
            if not query:
                return
            self.socket.sendto(self._response(query), peer)

    def _response(self, query: bytes) -> bytes:
        question = query[12 : query.index(b"\0", 12) + 5]
        (kind,) = struct.unpack(">H", question[-4:-2])
        address = self.address
        found = address is not None and kind == IPV4
        flags = 0x8180 if address is not None else 0x8183  # RFC 1035, section 4.1.1: a response; NXDOMAIN
        head = query[:2] + struct.pack(">HHHHH", flags, 1, found, 0, 0)
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


def test_streams_bodies_without_the_disk(small_service: Service, portrait: bytes) -> None:
    """A photo followed by 100 MiB of zeros, which decoders ignore."""
    with front(f"127.0.0.1:{small_service.port}") as (port, pid):
        caller = Caller(port)
        body = caller.photo(portrait + bytes(LARGE))
        with ThreadPoolExecutor(4) as threads:
            replies = list(threads.map(lambda _: caller.post("/detect", body), range(4)))
        assert [(reply.status, reply.interim) for reply in replies] == [(200, True)] * 4
        assert replies[0].json["faces-count"] == 1
        written = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
        assert "write_bytes: 0\n" in written
        assert process_tree.peak_memory(pid) < LARGE / 1024**2


def test_answers_a_client_that_has_shut_down_its_side(small_service: Service, portrait: bytes) -> None:
    with front(f"127.0.0.1:{small_service.port}") as (port, _):
        caller = Caller(port)
        head, body = caller.form("/detect", caller.photo(portrait))
        with caller.connect() as half:
            half.sendall(head + body)
            half.shutdown(socket.SHUT_WR)
            with half.makefile("rb") as stream:
                assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


def test_requests_wait_for_a_service_that_starts_later_at_another_address(names: NameServer) -> None:
    """As for a container that is created again: its name is unknown at times, and its address changes."""
    model = free_port()
    with front(f"model:{model}", FRONT_DNS=names.at) as (port, _), ThreadPoolExecutor(1) as threads:
        caller = Caller(port)
        for address in ("127.0.0.2", "127.0.0.3"):
            names.address = None
            names.unknown.clear()
            request = threads.submit(caller.get, "/health")
            assert names.unknown.wait(PATIENCE)
            assert not request.done()
            with server(address, model):
                names.address = address
                assert request.result().body == address.encode()


def test_answers_requests_in_flight_before_it_ends() -> None:
    """On SIGUSR1, the stop signal of compose.yaml."""
    model = free_port()
    with front(f"127.0.0.1:{model}") as (port, pid):
        caller = Caller(port)

        def end() -> None:
            os.kill(pid, signal.SIGUSR1)
            eventually("a closed port", lambda: not listens(port))

        with server("127.0.0.1", model, before=end):
            assert caller.get("/health").body == b"127.0.0.1"


@contextmanager
def server(address: str, port: int, before: Callable[[], object] = bool) -> Iterator[None]:
    """A server of one request, which calls `before` once it has it, and answers with its own address."""

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
