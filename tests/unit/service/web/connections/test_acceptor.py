"""Acceptance of more connections than there are file descriptors for."""

from __future__ import annotations

import errno
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from service.web.connections import acceptor
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.raw_http import answers, connect, head, photo

if TYPE_CHECKING:
    from service.recognition.recognizer import Recognition
    from tests.unit.service.conftest import Server, SteeredRecognizer

MOST = 6


@pytest.fixture(autouse=True)
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "_descriptors_for_connections", lambda _: MOST)
    monkeypatch.setattr(acceptor, "NEW_SECONDS", 0.2)


def health(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE).status_code


def test_closes_the_oldest_idle_connections_to_accept_others(
    serving: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as port:
        idle = [connect(port) for _ in range(4 * MOST)]
        for connection in idle[::2]:
            connection.sendall(b"GET /health HTTP/1.1\r\nHo")
        assert [health(port) for _ in range(3)] == [200] * 3
        for connection in idle[:MOST]:
            with pytest.raises(ConnectionError):
                _reads_end(connection)
        for connection in idle:
            connection.close()
    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("service")]
    assert len(warnings) == len({warning[:30] for warning in warnings}) <= 2  # each kind once


def test_keeps_busy_connections_while_others_wait_in_the_backlog(
    serving: Server, recognizer: SteeredRecognizer, png: bytes
) -> None:
    recognizer.gate.clear()

    def call(port: int) -> int:
        with connect(port) as caller:
            caller.sendall(photo(png, headers=b"Connection: close\r\n"))
            (answered,) = answers(caller)
            return answered.status

    with serving() as port, ThreadPoolExecutor(5 * MOST) as threads:
        calls = [threads.submit(call, port) for _ in range(5 * MOST)]
        assert recognizer.entered.acquire(timeout=PATIENCE)
        time.sleep(0.5)
        used = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - used < 0.25  # accepting pauses without busy waiting
        recognizer.gate.set()
        assert [each.result() for each in calls] == [200] * (5 * MOST)
    assert recognizer.photos == 5 * MOST


def test_answers_the_backlog_when_the_service_stops(
    serving: Server, recognizer: SteeredRecognizer, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognize = recognizer.recognize_timed

    def slowly(*arguments: Any, **keywords: Any) -> Recognition:
        time.sleep(0.1)
        return recognize(*arguments, **keywords)

    monkeypatch.setattr(recognizer, "recognize_timed", slowly)
    recognizer.gate.clear()
    with serving() as port:
        callers = [connect(port) for _ in range(3 * MOST)]
        for caller in callers:
            caller.sendall(photo(png, headers=b"Connection: close\r\n"))
        assert recognizer.entered.acquire(timeout=PATIENCE)
    # The service has stopped.
    for caller in callers:
        with caller:
            assert [answered.status for answered in answers(caller)] == [200]


def test_retries_a_failed_accept_with_one_log_line(
    serving: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.05)
    failures = [errno.EMFILE] * 5
    accept = socket.socket.accept

    def failing(self: socket.socket) -> object:
        if failures:
            raise OSError(failures.pop(), "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with serving() as port:
        assert health(port) == 200
    assert failures == []
    assert [
        record.getMessage() for record in caplog.records if record.name == "service.web.connections.acceptor"
    ] == ["connections cannot be accepted now: [Errno 24] Too many open files"]


def test_retries_a_failed_accept_while_the_service_stops(
    serving: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close of the listening socket would reset the connections in its queue."""
    accept, drain = socket.socket.accept, acceptor.Acceptor.drain
    stopping, failures = threading.Event(), [errno.EMFILE] * 3

    async def draining(self: acceptor.Acceptor, seconds: float) -> None:
        stopping.set()
        await drain(self, seconds)

    def failing(self: socket.socket) -> object:
        if not stopping.is_set():
            raise BlockingIOError  # so that all connections wait in the kernel's queue
        if failures:
            raise OSError(failures.pop(), "Too many open files")
        return accept(self)

    monkeypatch.setattr(acceptor.Acceptor, "drain", draining)
    monkeypatch.setattr(socket.socket, "accept", failing)
    with serving() as port:
        callers = [connect(port) for _ in range(MOST)]
        for caller in callers:
            caller.sendall(head(b"GET /health", b"Connection: close\r\n"))
    for caller in callers:
        with caller:
            assert [answered.status for answered in answers(caller)] == [200]
    assert failures == []


def test_answers_each_request_of_kept_connections(serving: Server) -> None:
    with serving() as port:
        kept = [connect(port) for _ in range(MOST - 1)]
        for _ in range(3):
            for connection in kept:
                connection.sendall(head(b"GET /health"))
                assert connection.recv(8) == b"HTTP/1.1"
                while not connection.recv(4096).endswith(b"ok"):
                    pass
        for connection in kept:
            connection.close()


def _reads_end(connection: socket.socket) -> None:
    """Raises ConnectionResetError if the connection is closed, with unread bytes or without."""
    if connection.recv(1) == b"":
        raise ConnectionResetError
