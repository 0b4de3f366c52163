"""Callers that do not read their answers, or that read slowly."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from service.web.connections import open_connections
from service.web.metrics import Metrics
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.raw_http import connect, head

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

METRICS = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
"""The longest answer that needs no key."""
LARGE = 8 * 1024 * 1024
"""Bytes of an answer, most of which stay in the service: the buffers of both sockets hold less."""
SMALL_BUFFER = 4096


def _connect(port: int) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    caller.settimeout(PATIENCE)
    caller.connect(("127.0.0.1", port))
    return caller


def _pipeline(port: int) -> socket.socket:
    """A caller that reads no answers, after more requests than the buffers have room for answers."""
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
    """Reads to the end. True if the service reset the connection before all answers."""
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


def test_aborts_a_connection_whose_answers_are_not_read(serving: Server) -> None:
    with serving(FACE_PATIENCE=0.5) as port, _pipeline(port) as caller:
        time.sleep(2)
        assert _is_cut(caller)


def test_unread_answers_do_not_delay_the_shutdown(serving: Server) -> None:
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
def test_evicts_no_connection_with_an_unsent_answer(
    serving: Server, monkeypatch: pytest.MonkeyPatch, headers: bytes
) -> None:
    monkeypatch.setattr(open_connections, "MAXIMUM_IDLE", 2)
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
def test_sends_a_slowly_read_answer_completely(serving: Server) -> None:
    """The last bytes leave the service after twice FACE_PATIENCE."""
    with serving(FACE_PATIENCE=2) as port, _connect(port) as caller, caller.makefile("rb") as stream:
        caller.sendall(head(b"GET /metrics"))
        while stream.readline().strip():
            pass
        left = LARGE
        for _ in range(40):
            left -= len(stream.read(SMALL_BUFFER))
            time.sleep(0.1)
        assert len(stream.read(left)) == left
