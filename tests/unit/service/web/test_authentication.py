"""The keys of requests over HTTP: that of `/metrics`, and guesses beside callers with a valid key."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from service.web import guessing
from service.web.connections import acceptor
from service.web.guessing import BURST
from tests.unit.service.conftest import KEY, OLD_KEY, PATIENCE, client
from tests.unit.service.raw_http import FORM, answers, connect, photo
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

METRICS_KEY = "mëtrics key"
UTF_8 = METRICS_KEY.encode()


def test_metrics_need_no_key_unless_one_is_set(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        assert caller.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + UTF_8},
        {b"authorization": b"bearer  " + UTF_8},
        {b"x-api-key": UTF_8},
        {b"x-api-key": b"wrong", b"authorization": b"Bearer " + UTF_8},
    ],
)
def test_metrics_with_a_key(serving: Server, headers: dict[bytes, bytes]) -> None:
    with serving(FACE_METRICS_KEY=f" {METRICS_KEY}\n") as port, client(port, headers) as caller:
        assert "face_requests_total" in caller.get("/metrics").text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": UTF_8},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Basic " + UTF_8},
        {b"authorization": b"Bearer wrong"},
        {b"x-api-key": b"wrong"},
        {b"x-api-key": b"Bearer " + UTF_8},
        {b"x-api-key": OLD_KEY.encode()},
        {b"authorization": b"Bearer " + KEY.encode()},
    ],
)
def test_metrics_without_a_valid_key(
    serving: Server, headers: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "service")
    with serving(FACE_METRICS_KEY=METRICS_KEY) as port, client(port, headers) as caller:
        refused = caller.get("/metrics")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/json"
    assert "FACE_METRICS_KEY" in refused.json()["error"]
    assert METRICS_KEY not in refused.text + caplog.text
    assert "WrongMetricsKey" in caplog.text


def test_the_key_of_the_metrics_is_valid_for_nothing_else(serving: Server) -> None:
    headers = {b"x-api-key": UTF_8, b"authorization": b"Bearer " + UTF_8}
    with serving(FACE_METRICS_KEY=METRICS_KEY) as port, client(port, headers) as caller:
        for path in ("/open", "/info"):
            refused = caller.get(path)
            assert refused.status_code == 401
            assert "www-authenticate" not in refused.headers
        for path in ("/health", "/welcome"):
            assert caller.get(path).status_code == 200


SLOW = 3.0
"""SECONDS of a test in which ten requests without a delay have to end within half of it, also on a busy machine."""


def test_a_valid_key_of_the_metrics_makes_no_address_trusted(
    serving: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder could otherwise try API keys without the slow-down, and wrong ones would delay no valid one."""
    monkeypatch.setattr(guessing, "SECONDS", SLOW)
    with (
        serving(FACE_METRICS_KEY=METRICS_KEY) as port,
        client(port, {b"x-api-key": UTF_8}) as scraper,
        client(port, {b"x-api-key": KEY.encode()}) as caller,
    ):
        assert scraper.get("/metrics").status_code == 200
        for _ in range(BURST):
            assert scraper.get("/open").status_code == 401
        started = time.monotonic()
        assert caller.get("/open").status_code == 200
        assert time.monotonic() - started > SLOW / 2, "the key is the first valid one of its address"
        started = time.monotonic()
        for _ in range(BURST):
            assert caller.get("/metrics").status_code == 401
        assert scraper.get("/metrics").status_code == 200
        assert time.monotonic() - started < SLOW / 2, "API keys were tried elsewhere"


GUESSES = 200
FAST = 0.01
"""SECONDS of these tests."""
AT_ONCE = 5.0
"""Seconds; the waiting of all guesses takes far longer where it matters."""


def _guess(number: int, path: bytes = b"GET /open", rest: bytes = b"") -> bytes:
    return (
        path
        + b" HTTP/1.1\r\nHost: h\r\nx-api-key: guess %d\r\nConnection: close\r\n" % number
        + rest
        + b"\r\n"
    )


@contextmanager
def _guessers(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections with a guess each, sent and not answered yet."""
    with ExitStack() as opened:
        guessers = [opened.enter_context(connect(port)) for _ in range(count)]
        for number, guesser in enumerate(guessers):
            guesser.sendall(_guess(number))
        yield guessers


def _statuses(callers: list[socket.socket]) -> list[int]:
    return [answered.status for caller in callers for answered in answers(caller)]


def _use_up(port: int) -> None:
    """Send as many guesses as are answered at once."""
    with _guessers(port, BURST) as guessers:
        assert _statuses(guessers) == [401] * BURST


def _flood(caller: socket.socket) -> int:
    """Send bytes until the time-out of the connection; returns their number."""
    sent = 0
    while True:
        try:
            sent += caller.send(bytes(65536))
        except TimeoutError:
            return sent


def _metric(port: int, name: str) -> float:
    with client(port) as caller:
        lines = caller.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


def _answer(port: int, png: bytes, source: str) -> tuple[int, float]:
    """Status and seconds of a photo sent from the address `source`."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as caller:
        caller.sendall(photo(png, headers=b"Connection: close\r\n"))
        (answered,) = answers(caller)
    return answered.status, time.monotonic() - started


def test_parallel_guesses_take_their_time_and_none_is_lost(
    serving: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "SECONDS", FAST)
    with serving() as port:
        started = time.monotonic()
        with _guessers(port, GUESSES) as guessers:
            assert _statuses(guessers) == [401] * GUESSES
        assert time.monotonic() - started >= (GUESSES - BURST) * FAST
        assert _metric(port, "face_wrong_keys_total") == GUESSES


def test_valid_callers_are_answered_at_once_beside_guessers(
    serving: Server, png: bytes, key_header: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as opened, serving() as port:
        with client(port, key_header) as caller:
            assert caller.get("/open").status_code == 200
        opened.enter_context(_guessers(port, GUESSES))
        eventually("all guesses arrived", lambda: _metric(port, "face_requests_in_flight") > GUESSES - BURST)
        for source in ("127.0.0.1", "127.0.0.2"):
            status, seconds = _answer(port, png, source)
            assert (status, seconds < AT_ONCE) == (200, True)
        # A wrong key waits even from the address with a valid one.
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"http://127.0.0.1:{port}/open", headers={"x-api-key": "x"}, timeout=1)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < PATIENCE / 2, "the shutdown has to end the waiting"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in warnings if "wrong keys of one address" in text] != []
    assert not any("127.0.0" in text for text in warnings)


def test_a_valid_key_waits_its_turn_and_is_answered(
    serving: Server, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "SECONDS", 0.2)
    with serving() as port, _guessers(port, BURST + 5) as guessers:
        eventually("guesses wait", lambda: _metric(port, "face_requests_in_flight") >= 4)
        status, seconds = _answer(port, png, "127.0.0.1")
        assert status == 200
        assert seconds > 0.2
        assert _answer(port, png, "127.0.0.1")[1] < AT_ONCE
        assert _statuses(guessers) == [401] * len(guessers)


def test_requests_without_a_key_are_no_guesses(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        for offered in ({}, {"x-api-key": ""}):
            assert {caller.get("/open", headers=offered).status_code for _ in range(50)} == {401}
        assert _metric(port, "face_wrong_keys_total") == 0


def test_a_waiting_guess_sends_no_100_continue_and_its_body_stays_unread(
    serving: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "SECONDS", 4.0)
    body = b"Expect: 100-continue\r\nContent-Length: 100000000\r\n"
    with serving() as port:
        _use_up(port)
        with connect(port) as caller:
            caller.settimeout(0.5)
            caller.sendall(_guess(0, b"POST /detect", FORM + body))
            with pytest.raises(TimeoutError):
                caller.recv(1)
            assert _flood(caller) < 32 * 1024 * 1024  # what the kernel buffers


def test_a_guesser_that_hangs_up_is_gone_at_once(serving: Server) -> None:
    with serving() as port:
        _use_up(port)
        with _guessers(port, 50):
            eventually("guesses wait", lambda: _metric(port, "face_requests_in_flight") == 51, PATIENCE)
        eventually("no guess waits", lambda: _metric(port, "face_requests_in_flight") == 1, PATIENCE)


def test_waiting_guesses_leave_connections_for_others(
    serving: Server, key_header: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "SECONDS", 100.0)  # so that none ends by itself
    monkeypatch.setattr(acceptor, "_descriptors_for_connections", lambda _: 8)
    monkeypatch.setattr(acceptor, "NEW_SECONDS", 0.1)
    with serving() as port:
        with client(port, key_header) as caller:
            assert caller.get("/open").status_code == 200
        with _guessers(port, 40):
            for _ in range(3):
                with client(port, key_header) as caller:
                    assert caller.get("/open").status_code == 200


def test_closes_the_oldest_of_too_many_waiting_guesses(
    serving: Server, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "SECONDS", 0.1)
    monkeypatch.setattr(guessing, "MAXIMUM_WAITING", 20)
    with serving() as port, _guessers(port, BURST + 100) as guessers:
        assert _answer(port, png, "127.0.0.2")[0] == 200
        answered = len(_statuses(guessers))
    assert BURST + 20 <= answered <= BURST + 60, "the others are closed without an answer"


def test_keys_are_the_same_whether_trusted_or_not(serving: Server) -> None:
    """A valid key makes its address trusted, and no wrong key valid."""
    with serving() as port:
        for key, status in ((KEY, 200), (KEY[:-1], 401), (KEY, 200), (KEY + "x", 401)):
            with client(port, {b"x-api-key": key.encode()}) as caller:
                assert caller.get("/open").status_code == status
