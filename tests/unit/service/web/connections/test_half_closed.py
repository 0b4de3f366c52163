"""Half-closed callers that wait (shutdown(2), SHUT_WR), and callers that are gone: both send a FIN."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING

import pytest

from service.web.connections import transport
from service.web.connections.transport import ANSWER_START
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.raw_http import FORM, answers, connect, head, photo
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer

AT_ONCE = 4
"""Seconds; less than the time-outs of a kept connection and of an incomplete head."""


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(100):
        target.sendall(data)


def _wait_for(caplog: pytest.LogCaptureFixture, text: str) -> None:
    eventually(f"{text!r} is logged", lambda: any(text in entry.getMessage() for entry in caplog.records))


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_answers_a_half_closed_caller(
    serving: Server, recognizer: SteeredRecognizer, png: bytes, version: bytes
) -> None:
    recognizer.gate.clear()
    with serving() as port, connect(port) as caller:
        caller.sendall(photo(png, version))
        caller.shutdown(socket.SHUT_WR)
        assert recognizer.entered.acquire(timeout=PATIENCE)
        # The probes are a part of the status line.
        assert ANSWER_START.startswith(caller.recv(1, socket.MSG_PEEK))
        recognizer.gate.set()
        (answered,) = answers(caller)
        assert (answered.status, answered.json["faces-count"]) == (200, 1)
    assert recognizer.photos == 1


def test_answers_a_half_closed_caller_after_all_probes(
    serving: Server, recognizer: SteeredRecognizer, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in the queue for longer than there are octets for probes."""
    monkeypatch.setattr(transport, "PROBE_SECONDS", 0.05)
    recognizer.gate.clear()
    with serving() as port, connect(port) as first, connect(port) as second:
        first.sendall(photo(png))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        second.sendall(photo(png))
        second.shutdown(socket.SHUT_WR)
        first.shutdown(socket.SHUT_WR)
        eventually("a started answer", lambda: len(second.recv(100, socket.MSG_PEEK)) >= len(ANSWER_START))
        recognizer.gate.set()
        assert [answered.status for caller in (first, second) for answered in answers(caller)] == [200, 200]


def test_answers_all_requests_before_a_fin(serving: Server, png: bytes) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(head(b"GET /health") + photo(png) + head(b"GET /open") + photo(png))
        caller.shutdown(socket.SHUT_WR)
        assert [answered.status for answered in answers(caller)] == [200] * 4


@pytest.mark.parametrize("cut", [-1, -len(b"\r\n--b--\r\n"), -3000])
def test_rejects_a_body_that_a_fin_cuts_off(
    serving: Server, recognizer: SteeredRecognizer, png: bytes, cut: int
) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(photo(png)[:cut])
        caller.shutdown(socket.SHUT_WR)
        (answered,) = answers(caller)
        assert (answered.status, list(answered.json)) == (400, ["error"])
    assert recognizer.photos == 0


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHo"])
def test_closes_a_half_closed_connection_without_a_request(serving: Server, sent: bytes) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        assert answers(caller) == []
        assert time.monotonic() - started < AT_ONCE


def test_closes_a_kept_connection_after_a_fin(serving: Server) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(head(b"GET /health"))
        with caller.makefile("rb") as stream:
            assert b"200" in stream.readline()
            caller.shutdown(socket.SHUT_WR)
            started = time.monotonic()
            assert stream.read().endswith(b"ok")
        assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("how", ["with its body read", "with its body unread", "half closed before"])
def test_removes_a_caller_that_is_gone_from_the_queue(
    serving: Server,
    recognizer: SteeredRecognizer,
    png: bytes,
    caplog: pytest.LogCaptureFixture,
    version: bytes,
    how: str,
) -> None:
    caplog.set_level(logging.INFO, "service")
    recognizer.gate.clear()
    # With an empty budget, one upload is read at a time.
    memory = {"FACE_MEMORY": 384 * 1024**2} if how == "with its body unread" else {}
    with serving(**memory) as port, connect(port) as first:
        first.sendall(photo(png))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        caller = connect(port)
        # More than is read with the head, and less than the kernel buffers: the FIN follows it.
        caller.sendall(photo(png + bytes(100_000 if memory else 0), version))
        if how == "half closed before":
            caller.shutdown(socket.SHUT_WR)
            assert caller.recv(1) == b"H"
        time.sleep(0.1)
        caller.close()
        _wait_for(caplog, " 499 ")
        recognizer.gate.set()
        first.shutdown(socket.SHUT_WR)
        assert [answered.status for answered in answers(first)] == [200]
    assert recognizer.photos == 1


def test_removes_a_caller_that_is_gone_behind_a_relay(
    serving: Server, recognizer: SteeredRecognizer, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Docker's userland proxy forwards the end of a caller as a half-close, and detects by writes that it is gone."""
    caplog.set_level(logging.INFO, "service")
    recognizer.gate.clear()
    with serving() as port, connect(port) as first, connect(port) as relayed, socket.socket() as listener:
        first.sendall(photo(png))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as caller:
            caller.sendall(photo(png))
            inside, _ = listener.accept()
            relayed.sendall(inside.recv(1_000_000))
        assert inside.recv(1) == b""
        relayed.shutdown(socket.SHUT_WR)
        with inside, pytest.raises(BrokenPipeError):
            _pass_on(relayed, inside)
        relayed.close()
        _wait_for(caplog, " 499 ")
    assert recognizer.photos == 1


def test_answers_400_to_a_fin_before_100_continue(serving: Server, recognizer: SteeredRecognizer) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(head(b"POST /detect", FORM + b"Expect: 100-continue\r\nContent-Length: 1000\r\n"))
        caller.shutdown(socket.SHUT_WR)
        with caller.makefile("rb") as stream:
            lines = [line for line in stream if line.startswith(b"HTTP/1.1 ")]
    assert [line.split()[1] for line in lines] == [b"100", b"400"]
    assert recognizer.photos == 0
