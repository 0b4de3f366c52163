"""Callers that do not read their answers, or read them slowly."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from service.web.connections import open_connections
from service.web.metrics import Metrics
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.talking import connect, head

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

METRICS = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
"""The longest answer that needs no key."""
LARGE = 8 * 1024 * 1024
"""Bytes of an answer of which most stay in the service: the buffers of both sockets hold less."""
SMALL_BUFFER = 4096


def _connect(port: int) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    caller.settimeout(PATIENCE)
    caller.connect(("127.0.0.1", port))
    return caller


def _pipeline(port: int) -> socket.socket:
    """A caller with more requests than the buffers have room for answers, of which it reads none."""
    caller = _connect(port)
    caller.setblocking(False)
    for _ in range(20):
        try:
            caller.send(METRICS * 1000)
        except BlockingIOError:
            time.sleep(0.05)
    caller.settimeout(PATIENCE)
    return caller


def _is_cut(caller: socket.socket) -> bool:
    """Whether the service ended the connection before all answers; reads what there is."""
    received = b""
    try:
        while data := caller.recv(65536):
            received = received[-100:] + data
    except ConnectionResetError:
        return True
    return False


def _wait_for_end(caller: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert caller.recv(1) == b""


def test_a_row_of_requests_whose_answers_are_not_read_ends_after_the_patience(serving: Server) -> None:
    with serving(FACE_PATIENCE=0.5) as port, _pipeline(port) as caller:
        time.sleep(2)
        assert _is_cut(caller)


def test_it_does_not_delay_the_end_of_the_service(serving: Server) -> None:
    with serving(FACE_PATIENCE=2, FACE_GRACE=20) as port:
        caller = _pipeline(port)
        time.sleep(1)  # until a part of an answer is in the service
        started = time.monotonic()
    assert time.monotonic() - started < 10
    caller.close()


@pytest.fixture
def large_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metrics, "text", lambda _: bytes(LARGE))


@pytest.mark.usefixtures("large_answers")
@pytest.mark.parametrize("headers", [b"", b"Connection: close\r\n"])
def test_no_answer_is_cut_off_by_an_eviction(
    serving: Server, monkeypatch: pytest.MonkeyPatch, headers: bytes
) -> None:
    monkeypatch.setattr(open_connections, "MOST_IDLE", 2)
    with serving() as port, _connect(port) as caller, caller.makefile("rb") as stream:
        caller.sendall(head(b"GET /metrics", headers))
        while stream.readline().strip():
            pass
        idle = [connect(port) for _ in range(8)]
        for connection in idle[:4]:
            _wait_for_end(connection)
        assert len(stream.read(LARGE)) == LARGE
        for connection in idle:
            connection.close()


@pytest.mark.usefixtures("large_answers")
def test_an_answer_that_is_read_slowly_arrives_whole(serving: Server) -> None:
    """Slowly, so that its last bytes leave the service after twice the patience."""
    with serving(FACE_PATIENCE=2) as port, _connect(port) as caller, caller.makefile("rb") as stream:
        caller.sendall(head(b"GET /metrics"))
        while stream.readline().strip():
            pass
        left = LARGE
        for _ in range(40):
            left -= len(stream.read(SMALL_BUFFER))
            time.sleep(0.1)
        assert len(stream.read(left)) == left
