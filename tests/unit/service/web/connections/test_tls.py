"""HTTPS: handshakes that stall, fail or are none, and the connection above them."""

from __future__ import annotations

import _ssl
import ctypes
import gc
import logging
import socket
import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from service.web.connections import TlsTransport, acceptor, handshake, open_connections
from tests import certificates
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.raw_http import FORM, answers, head, photo
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Made
    from tests.unit.service.conftest import Server, SteeredRecognizer

LARGE = 8 * 1024 * 1024
CLOSE = b"Connection: close\r\n"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def context(made: Made) -> ssl.SSLContext:
    return certificates.trusting(made)


@pytest.fixture
def serving(serving: Server, made: Made) -> Server:
    @contextmanager
    def serve(**values: object) -> Iterator[int]:
        with serving(**made.settings, **values) as port:
            yield port

    return serve


def _connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return certificates.connect(port, context, PATIENCE)


def _plain(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def _hello(context: ssl.SSLContext) -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


class _InMemory:
    """The client's end of TLS over a plain connection, after the handshake."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(self.outgoing.read())
                self.incoming.write(connection.recv(65536))
        connection.sendall(self.outgoing.read())

    def request_and_close_notify(self, request: bytes) -> None:
        self.tls.write(request)
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.connection.sendall(self.outgoing.read())

    def key_updates(self, count: int) -> bytes:
        """Records that each ask for a record (RFC 8446, 4.6.3). Python's module has no such function."""
        (key_update := ctypes.CDLL(_ssl.__file__).SSL_key_update).argtypes = [ctypes.c_void_p, ctypes.c_int]
        # The second field of the C structure, after the object's head.
        pointer = ctypes.c_void_p.from_address(
            id(self.tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[attr-defined]
        )
        for _ in range(count):
            assert key_update(pointer, 1) == 1
            self.tls.do_handshake()
        return self.outgoing.read()


def _until_full(connection: socket.socket, records: Iterator[bytes]) -> None:
    """Send until the service reads no more. Fails if it reads all."""
    connection.settimeout(1)
    try:
        for record in records:
            connection.sendall(record)
    except TimeoutError:
        return
    pytest.fail("the service reads on")


def _is_closed(connection: socket.socket) -> bool:
    """Reads what the service sends, an alert, to the end of the connection."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_answers_each_request_of_a_connection(
    serving: Server, context: ssl.SSLContext, png: bytes, version: ssl.TLSVersion
) -> None:
    context.minimum_version = context.maximum_version = version
    requests = head(b"GET /health") + photo(png) + head(b"GET /open") + photo(png, headers=CLOSE)
    with serving() as port, _connect(port, context) as caller:
        assert caller.version() == version.name.replace("_", ".")
        for start in range(0, len(requests), 5000):
            caller.sendall(requests[start : start + 5000])
        assert [answered.status for answered in answers(caller)] == [200] * 4


def test_rejects_old_versions(
    serving: Server, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with serving() as port:
        for _ in range(5):
            with pytest.raises(OSError, match=r"alert|reset|EOF|version"):
                _connect(port, context)
    assert len(_warnings(caplog)) == 1
    assert "unsupported protocol" in _warnings(caplog)[0]


def test_sends_100_continue_and_reads_a_large_upload(
    serving: Server, context: ssl.SSLContext, png: bytes
) -> None:
    whole = photo(png + bytes(LARGE), headers=CLOSE + b"Expect: 100-continue\r\n")
    start, separator, body = whole.partition(b"\r\n\r\n")
    with serving() as port, _connect(port, context) as caller:
        caller.sendall(start + separator)
        assert caller.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(body)
        assert [answered.status for answered in answers(caller)] == [200]


def test_a_waiting_upload_stays_unread(
    serving: Server, recognizer: SteeredRecognizer, context: ssl.SSLContext, png: bytes
) -> None:
    recognizer.gate.clear()
    with (
        serving(FACE_MEMORY=384 * 1024**2) as port,
        _connect(port, context) as first,
        _connect(port, context) as second,
    ):
        first.sendall(photo(png, headers=CLOSE))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        second.settimeout(1)
        with pytest.raises(TimeoutError):
            second.sendall(photo(png + bytes(4 * LARGE), headers=CLOSE))
        recognizer.gate.set()
        assert [answered.status for answered in answers(first)] == [200]


@pytest.mark.parametrize("reset", [True, False])
def test_a_hang_up_removes_the_photo(
    serving: Server,
    recognizer: SteeredRecognizer,
    context: ssl.SSLContext,
    png: bytes,
    caplog: pytest.LogCaptureFixture,
    reset: bool,
) -> None:
    caplog.set_level(logging.INFO, "service")
    recognizer.gate.clear()
    with serving() as port, _connect(port, context) as first:
        first.sendall(photo(png, headers=CLOSE))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        caller = _connect(port, context)
        caller.sendall(photo(png))
        time.sleep(0.1)
        if reset:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        caller.close()
        eventually(
            "a 499", lambda: any(" 499 " in record.getMessage() for record in caplog.records), PATIENCE
        )
        recognizer.gate.set()
        assert [answered.status for answered in answers(first)] == [200]
    assert recognizer.photos == 1


def test_answers_a_caller_after_its_close_notify(
    serving: Server, recognizer: SteeredRecognizer, context: ssl.SSLContext, png: bytes
) -> None:
    """The half-close of TLS 1.3 (RFC 8446, 6.1)."""
    recognizer.gate.clear()
    received = b""
    with serving() as port, _plain(port) as caller:
        client = _InMemory(caller, context)
        client.request_and_close_notify(photo(png))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        recognizer.gate.set()
        while data := caller.recv(65536):
            client.incoming.write(data)
        with suppress(ssl.SSLZeroReturnError):
            while True:
                received += client.tls.read(65536)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b'"faces-count":1' in received


def test_input_after_a_close_notify_stays_unread(serving: Server, context: ssl.SSLContext) -> None:
    with serving() as port, _plain(port) as caller:
        _InMemory(caller, context).request_and_close_notify(head(b"GET /events"))
        _until_full(caller, (bytes(LARGE) for _ in range(8)))


def test_unread_answers_to_key_updates_are_bounded(serving: Server, context: ssl.SSLContext) -> None:
    with serving() as port, socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.settimeout(PATIENCE)
        caller.connect(("127.0.0.1", port))
        client = _InMemory(caller, context)
        _until_full(caller, (client.key_updates(2000) for _ in range(400)))


def test_a_closed_connection_is_freed_without_the_garbage_collector(
    serving: Server, context: ssl.SSLContext
) -> None:
    def kept() -> int:
        return sum(type(found) is TlsTransport for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        with serving() as port:
            for request in (b"", b"GET /hea", head(b"GET /health", CLOSE)):
                with _connect(port, context) as caller:
                    caller.sendall(request)
            with _plain(port) as stalled:
                stalled.sendall(_hello(context)[:100])
            eventually("all are freed", lambda: kept() == 0, PATIENCE)
    finally:
        gc.enable()


def test_a_shutdown_finishes_accepted_photos(
    serving: Server, recognizer: SteeredRecognizer, context: ssl.SSLContext, png: bytes
) -> None:
    recognizer.gate.clear()
    with ExitStack() as opened:
        with serving() as port:  # its end opens the gate and stops the service
            callers = [opened.enter_context(_connect(port, context)) for _ in range(5)]
            for caller in callers:
                caller.sendall(photo(png))
            assert recognizer.entered.acquire(timeout=PATIENCE)
        assert [answered.status for caller in callers for answered in answers(caller)] == [200] * 5


@pytest.mark.parametrize("sent", [0, 1, 8, 60, 200])
def test_a_stalled_handshake_ends_after_the_patience(
    serving: Server, context: ssl.SSLContext, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(FACE_PATIENCE=0.5) as port, _plain(port) as caller:
        caller.sendall(_hello(context)[:sent])
        started = time.monotonic()
        assert _is_closed(caller)
        assert time.monotonic() - started < PATIENCE / 2
    assert _warnings(caplog) == []


def test_stalled_handshakes_are_evicted_like_idle_connections(
    serving: Server, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_connections, "MAXIMUM_IDLE", 20)
    monkeypatch.setattr(acceptor, "_descriptors_for_connections", lambda _: 10)
    monkeypatch.setattr(acceptor, "NEW_SECONDS", 0.1)
    with serving() as port, ExitStack() as opened:
        stalled = [opened.enter_context(_plain(port)) for _ in range(50)]
        for connection in stalled:
            connection.sendall(_hello(context)[:100])
        with _connect(port, context) as caller:
            caller.sendall(head(b"GET /health", CLOSE))
            assert [answered.status for answered in answers(caller)] == [200]
        assert all(_is_closed(connection) for connection in stalled[:20])


@pytest.mark.parametrize("size", [0, LARGE])
def test_answers_plain_http_with_the_repair(serving: Server, size: int) -> None:
    with serving() as port, _plain(port) as caller:
        caller.sendall(head(b"POST /detect", FORM + b"Content-Length: %d\r\n" % size) + bytes(size))
        (answered,) = answers(caller)
    assert answered.status == 400
    assert "https://" in answered.json["error"]


@pytest.mark.parametrize(
    "sent",
    [
        bytes(100),
        b"\x16\x03\x01\x02\x00\x02" + bytes(100),
        b"\x16\x03\x01\x02\x00\x01\x02\x00\x00" + bytes(2000),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + bytes(2000),
        b"\x80\x2e\x01\x00\x02" + bytes(100),
    ],
    ids=["zeros", "no hello", "a hello of 128 KiB", "damaged", "SSL 2"],
)
def test_ends_what_is_no_handshake(serving: Server, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as port:
        for _ in range(20):
            with _plain(port) as caller:
                caller.sendall(sent)
                assert _is_closed(caller)
    (warning,) = _warnings(caplog)
    assert warning.startswith("a TLS connection failed: ")
    assert "127.0.0.1" not in warning


def test_bounds_the_bytes_of_a_handshake(
    serving: Server, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello = _hello(context)
    monkeypatch.setattr(handshake, "HANDSHAKE_BYTES", len(hello) + 20)
    with serving() as port, _plain(port) as caller:
        caller.sendall(hello)
        assert caller.recv(1) != b""
        caller.sendall(b"\x14\x03\x03\x00\x01\x01" * 10)  # ignored messages (RFC 8446, 5)
        assert _is_closed(caller)


def test_damage_within_a_connection_ends_it_alone(
    serving: Server, context: ssl.SSLContext, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as port, _connect(port, context) as other:
        with _connect(port, context) as caller:
            caller.sendall(head(b"GET /health"))
            assert caller.recv(4096).startswith(b"HTTP/1.1 200 ")
            with socket.socket(fileno=socket.dup(caller.fileno())) as below:
                below.settimeout(PATIENCE)
                below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                assert _is_closed(below)
        other.sendall(photo(png, headers=CLOSE))
        assert [answered.status for answered in answers(other)] == [200]
    assert len(_warnings(caplog)) == 1


def test_a_caller_that_trusts_another_authority_is_named_in_the_log(
    serving: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as port, pytest.raises(ssl.SSLCertVerificationError):
        _connect(port, ssl.create_default_context())
    eventually("a warning", lambda: _warnings(caplog), PATIENCE)
    assert "unknown ca" in _warnings(caplog)[0]
