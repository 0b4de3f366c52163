"""Claims of docs/reference/privacy-and-security.md that no other suite tests: what a stranger or a listener learns."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests import certificates
from tests.calling import KEY, Caller
from tests.services import FORMER_KEY
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.processes.running import Service
    from tests.services import StartService

NO_KEY = ("/health", "/ready", "/metrics", "/welcome", "/", "/status", "/docs", "/openapi.json")
SECRET_NAME = b"secret-name-of-a-photo.jpg"
CALLER = "127.0.0.3"
"""Address of a caller, other than that of the service, which the page shows."""

CONNECTIONS = """
import os, sys

def report(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"AUDIT {event} {arguments!r}\\n".encode())

sys.addaudithook(report)
"""
"""A sitecustomize module that reports each connection and each look-up of a name."""


def test_answers_without_a_key_reveal_nothing_private(
    caller: Caller, service: Service, portrait: bytes, store: Path
) -> None:
    def post(content: bytes) -> int:
        line = socket.create_connection(("127.0.0.1", caller.port), source_address=(CALLER, 0))
        return caller.post("/detect", caller.photo(content, SECRET_NAME), connection=line).status

    assert (post(portrait), post(SECRET_NAME)) == (200, 415)
    stranger = replace(caller, key_header=b"")
    private = (SECRET_NAME.decode(), KEY, FORMER_KEY, str(store.resolve()), CALLER)
    for path in NO_KEY:
        answered = stranger.get(path).body.decode()
        assert [text for text in private if text in answered] == []
    assert [key for key in (KEY, FORMER_KEY) if key in caller.get("/info").body.decode()] == []
    assert service.process.poll() is None


def test_another_host_name_opens_no_other_path(caller: Caller) -> None:
    """As a page does whose name was made to lead here (DNS rebinding): its requests have no key."""
    with caller.connect() as line:
        request = b"GET /open HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n"
        line.sendall(request)
        assert line.recv(12) == b"HTTP/1.1 401"
    with caller.connect() as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert line.recv(12) == b"HTTP/1.1 200"


@pytest.mark.own_server  # its look-up of FACE_HOST shows that the hook is in force
def test_a_running_service_opens_no_connection(
    start_service: StartService, tmp_path: Path, portrait: bytes
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CONNECTIONS)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    service = start_service(PYTHONPATH=path, FACE_MODEL="3", FACE_HOST="127.0.0.1")
    service.wait_until_ready()
    caller = Caller(service.port)
    for endpoint in (*NO_KEY, "/open", "/info"):
        assert caller.get(endpoint).status == 200
    assert caller.post("/detect", caller.photo(portrait)).status == 200
    assert caller.post("/detect", caller.photo(b"no image")).status == 415
    assert service.stop() == 0
    reported = [line for line in service.lines if line.startswith("AUDIT ")]
    # The look-up of FACE_HOST itself, at the start.
    assert [line for line in reported if "127.0.0.1" not in line] == []
    assert [line for line in reported if "socket.connect" in line] == []
    assert reported != [], "the hook is not in force"


@dataclass
class _Listener:
    """A relay on the path that keeps what passes."""

    port: int
    passed: bytearray


@contextmanager
def _on_the_path(port: int) -> Iterator[_Listener]:
    """Relays one connection to `port`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = _Listener(server.getsockname()[1], bytearray())

        def pump(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    listener.passed += data
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def relay() -> None:
            with server.accept()[0] as caller, socket.create_connection(("127.0.0.1", port)) as service:
                back = threading.Thread(target=pump, args=(service, caller))
                back.start()
                pump(caller, service)
                back.join()

        thread = threading.Thread(target=relay)
        thread.start()
        yield listener
        thread.join()


@pytest.mark.own_server
@pytest.mark.parametrize("https", [True, False])
def test_the_path_shows_key_and_photo_with_http_and_neither_with_https(
    start_service: StartService, tmp_path: Path, portrait: bytes, https: bool
) -> None:
    made = certificates.make(tmp_path)
    context = certificates.trusting(made)
    service = start_service(FACE_MODEL="3", **(made.settings if https else {}))

    def connect(port: int) -> socket.socket:
        return certificates.connect(port, context) if https else socket.create_connection(("127.0.0.1", port))

    def ready() -> bool:
        with suppress(ConnectionRefusedError), connect(service.port) as line:
            line.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return line.recv(100).startswith(b"HTTP/1.1 200 ")
        return False

    eventually("ready", ready)
    caller = Caller(service.port)
    with _on_the_path(service.port) as listener:
        parts = caller.photo(portrait, SECRET_NAME)
        assert caller.post("/detect", parts, connection=connect(listener.port)).status == 200
    shown = [secret in listener.passed for secret in (KEY.encode(), SECRET_NAME, portrait[1000:1100])]
    assert shown == [not https] * 3
    assert (b"landmarks" in listener.passed) is not https
    service.stop()


@pytest.mark.own_server
def test_a_caller_refuses_the_certificate_of_someone_on_the_path(
    start_service: StartService, tmp_path: Path
) -> None:
    own, of_another = certificates.make(tmp_path / "own"), certificates.make(tmp_path / "other")
    service = start_service(FACE_MODEL="3", **of_another.settings)

    def refused() -> bool:
        try:
            certificates.connect(service.port, certificates.trusting(own))
        except ssl.SSLCertVerificationError:
            return True
        except ConnectionRefusedError:
            return False
        pytest.fail("the certificate was accepted")

    eventually("the certificate is refused", refused)
    service.stop()
