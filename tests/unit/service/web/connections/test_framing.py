"""Request smuggling and malformed requests: answered with JSON, and the connection closes."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING

import pytest

from service.web.connections.framing import EMPTY_LINES
from tests.unit.service.raw_http import FORM, answers, connect, head, photo

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

NEXT = head(b"GET /health")
"""A second request on the same connection, which a proxy in front may take for a body."""


REFUSED = [
    (
        head(b"POST /detect", FORM + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
        400,
    ),
    (
        head(b"POST /detect", b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n") + b"0\r\n\r\n",
        400,
    ),
    (head(b"POST /detect", b"Content-Length: 5\r\nContent-Length: 6\r\n") + b"12345", 400),
    (head(b"POST /detect", b"Content-Length: 5, 6\r\n") + b"12345", 400),
    (head(b"POST /detect", b"Content-Length: 1\r\n 0\r\n") + b"1234567890", 400),
    (head(b"POST /detect", b"Content-Length: +5\r\n") + b"12345", 400),
    (head(b"POST /detect", b"Content-Length:\r\n"), 400),
    (head(b"POST /detect", b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    (head(b"POST /detect", b"Transfer-Encoding: identity\r\n"), 501),
    (head(b"POST /detect", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501),
    (head(b"POST /detect", b"Transfer-Encoding: chunked\r\n", b"1.0") + b"0\r\n\r\n", 400),
    (head(b"POST /detect", b"Transfer-Encoding : chunked\r\n") + b"0\r\n\r\n", 400),
    (head(b"GET /health", version=b"2.0"), 505),
    (b"GET /health HTTP/1.1\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /health\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01", 400),  # TLS
    (head(b"GET /health", b"x-filler: " + b"x" * 200_000 + b"\r\n"), 431),
    (head(b"POST /detect", FORM + b"Transfer-Encoding: chunked\r\n") + b"5\r\n--b\r\n\r\nZZZ\r\n", 400),
]


def test_rejects_with_json_and_closes(serving: Server) -> None:
    with serving() as port:
        for request, status in REFUSED:
            with connect(port) as caller:
                caller.sendall(request + NEXT)
                (answered,) = answers(caller)
            assert answered.status == status, request[:100]
            assert answered.headers["connection"] == "close"
            assert answered.headers["content-type"] == "application/json"
            assert list(answered.json) == ["error"]


def test_logs_rejected_requests_in_one_line_without_their_bytes(
    serving: Server, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = head(b"GET /health", b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n")
    faulty = b"GET /health?token=secret HTTP/1.1\r\nHost: h\r\nx-api-key : secret\r\n\r\n"
    with serving() as port:
        for request in [upgrade, faulty] * 5:
            with connect(port) as caller:
                caller.sendall(request)
                (answered,) = answers(caller)
                assert answered.status == (200 if request == upgrade else 400)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["a request was answered with 400: illegal header line"]


def test_rejects_a_head_request_without_a_body(serving: Server, caplog: pytest.LogCaptureFixture) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n"
    while_in_progress = head(b"HEAD /health", chunked) + b"no size\r\n"
    at_once = head(b"HEAD /health", chunked + b"Content-Length: 5\r\n")
    with serving() as port:
        for request in (while_in_progress, at_once):
            with connect(port) as caller, caller.makefile("rb") as stream:
                caller.sendall(request)
                answer = stream.read()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.endswith(b"\r\n\r\n")
    assert "Fatal error" not in caplog.text


def test_accepts_requests_with_one_possible_end(serving: Server) -> None:
    """RFC 9112, sections 6.3 and 5.2: equal lengths count once, and a folded line is one with a space."""
    with serving() as port, connect(port) as caller:
        caller.sendall(
            head(b"GET /health", b"Content-Length: 5\r\nContent-Length: 5\r\n") + b"12345"
            + head(b"GET /health", b"Content-Length: 5, 5\r\n") + b"12345"
            + head(b"GET /health", b"X-Folded: a\r\n\tb\r\nTransfer-Encoding:\r\n chunked\r\n") + b"0\r\n\r\n"
            + head(b"GET /health", b"Connection: close\r\n")
        )  # fmt: skip
        assert [answered.status for answered in answers(caller)] == [200] * 4


def test_ignores_empty_lines_before_a_request_line(serving: Server, png: bytes) -> None:
    """RFC 9112, section 2.2; in one piece with the request before, and in pieces."""
    with serving() as port, connect(port) as caller:
        caller.sendall(b"\r\n" + photo(png) + b"\r\n\r\n" + head(b"GET /health"))
        for byte in b"\r\n\r\nGE":
            time.sleep(0.02)
            caller.sendall(bytes([byte]))
        caller.sendall(head(b"GET /health", b"Connection: close\r\n")[2:])
        assert [answered.status for answered in answers(caller)] == [200] * 3


def test_does_not_answer_an_empty_line_after_the_last_request(serving: Server) -> None:
    with serving() as port, connect(port) as caller, caller.makefile("rb") as stream:
        caller.sendall(head(b"GET /health"))
        while not stream.readline().endswith(b"\r\n"):
            pass
        caller.sendall(b"\r\n")
        time.sleep(0.1)
        caller.shutdown(socket.SHUT_WR)
        assert stream.read().count(b"HTTP/1.1") == 0


def test_rejects_endless_empty_lines(serving: Server) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(b"\r\n" * (EMPTY_LINES + 1) + NEXT)
        assert [answered.status for answered in answers(caller)] == [400]


TARGETS = [
    (b"http://host:5000/detect", 200),
    (b"HTTP://host//detect?token=1", 200),
    (b"https://user@[::1]:5000/de%74ect", 200),
    (b"http://host", 405),  # the page, which is read only
    (b"http://host?query", 405),
    (b"http://host/http://host/detect", 404),
    (b"/http://host/detect", 404),
]


def test_accepts_the_absolute_form(serving: Server, png: bytes) -> None:
    with serving() as port:
        for target, status in TARGETS:
            with connect(port) as caller:
                request = photo(png, headers=b"Connection: close\r\n")
                caller.sendall(request.replace(b"/detect", target, 1))
                (answered,) = answers(caller)
            assert answered.status == status, (target, answered.json)


def test_logs_the_path_of_an_absolute_form(serving: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    with serving() as port, connect(port) as caller:
        caller.sendall(head(b"GET http://host/health?secret", b"Connection: close\r\n"))
        assert [answered.body for answered in answers(caller)] == [b"ok"]
    assert any(record.getMessage().startswith("GET /health 200 ") for record in caplog.records)
