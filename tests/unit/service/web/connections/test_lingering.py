"""Answers before the body of their request is read: every caller can read them."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from service.web.connections import lingering
from tests.unit.service.raw_http import FORM, answers, connect, head

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

LARGE = 8 * 1024 * 1024
CLOSE = b"Connection: close\r\n"
CASES = [
    (b"POST /detect HTTP/1.1\r\nHost: h\r\n" + FORM, 401),
    (head(b"POST /detect", FORM)[:-2], 413),
    (head(b"POST /detect")[:-2], 400),
    (head(b"POST /open")[:-2], 405),
    (head(b"POST /nothing")[:-2], 404),
]


def test_answers_before_a_body_that_is_sent_without_waiting(serving: Server) -> None:
    with serving(FACE_MAXIMUM_UPLOAD=LARGE // 2) as port:
        for start, status in CASES:
            for extra in (b"", CLOSE):
                with connect(port) as caller:
                    caller.sendall(start + extra + b"Content-Length: %d\r\n\r\n" % LARGE)
                    caller.sendall(bytes(LARGE))
                    (answered,) = answers(caller)
                assert (answered.status, list(answered.json)) == (status, ["error"])
                assert answered.headers["connection"] == "close"


def test_answers_413_within_a_chunked_body(serving: Server) -> None:
    with serving(FACE_MAXIMUM_UPLOAD=100_000) as port, connect(port) as caller:
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        caller.sendall(head(b"POST /detect", FORM + b"Transfer-Encoding: chunked\r\n"))
        for piece in (part, *[bytes(100_000)] * 80):
            caller.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        caller.sendall(b"0\r\n\r\n")
        (answered,) = answers(caller)
        assert answered.status == 413


def test_answers_without_100_continue(serving: Server) -> None:
    with serving(FACE_MAXIMUM_UPLOAD=LARGE // 2) as port:
        for start, status in CASES:
            with connect(port) as caller:
                caller.sendall(start + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % LARGE)
                (answered,) = answers(
                    caller
                )  # the service has shut down its side: the caller needs no time-out
            assert (answered.status, answered.headers["connection"]) == (status, "close")


def test_bounds_bytes_silence_and_time(serving: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = head(b"POST /detect", b"Content-Length: 999999999\r\n")
    monkeypatch.setattr(lingering, "BYTES", LARGE)
    monkeypatch.setattr(lingering, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", 1.0)
    with serving() as port:
        with connect(port) as caller:  # bytes
            caller.sendall(refused)
            with pytest.raises(ConnectionError):
                _send(caller, bytes(LARGE // 8), every=0)
        with connect(port) as caller:  # silence
            caller.sendall(refused)
            assert [answered.status for answered in answers(caller)] == [400]
            time.sleep(0.6)
            with pytest.raises(ConnectionError):
                _send(caller, b"x", every=0.1, times=3)
        with connect(port) as caller:  # time
            caller.sendall(refused)
            started = time.monotonic()
            with pytest.raises(ConnectionError):
                _send(caller, b"x", every=0.05)
            assert 0.9 < time.monotonic() - started < 5


def _send(caller: socket.socket, data: bytes, *, every: float, times: int = 1000) -> None:
    for _ in range(times):
        caller.sendall(data)
        time.sleep(every)
