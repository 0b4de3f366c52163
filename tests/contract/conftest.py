"""The real service in a process of its own, and a caller that writes the bytes of the app's own client."""

import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEY = "NZ9ciQuH0djnyyTcsDhNL7so6SVrR01znNnv0iXLrSk="
FORMER_KEY = "the-key-before-the-last-change"
START_PATIENCE = 300
"""Seconds until the models must be loaded; far more than any machine should need."""


@dataclass(frozen=True)
class Reply:
    """What came back on a connection."""

    interim: bool
    """Whether a `100 Continue` came first."""
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Part:
    """A part of a multipart form, headers as libcurl writes them."""

    disposition: bytes
    data: bytes
    content_type: bytes | None = None


@dataclass(frozen=True)
class Caller:
    """The app's client: libcurl from PHP, one connection a request, no User-Agent, no Accept-Encoding."""

    port: int
    key_header: bytes = b"x-api-key: " + KEY.encode()
    expect_above: int = 1024 * 1024
    """Bytes of a body from which libcurl sends `Expect: 100-continue`."""
    patience: float = 120
    before_body: Callable[[], object] = bool
    """Called when the head is sent and, where `100 Continue` is expected, answered."""

    @staticmethod
    def photo(
        data: bytes,
        name: bytes = b"/srv/nc/tmp/oc_tmp_6fbe56",
        kind: bytes = b"application/octet-stream",
    ) -> Part:
        """The part `file` as `/detect` gets it; `/compute` gets a base name and image/jpeg."""
        return Part(b'form-data; name="file"; filename="' + name + b'"', data, kind)

    @staticmethod
    def face(text: bytes) -> Part:
        """The part `face` of `/compute`."""
        return Part(b'form-data; name="face"', text)

    def get(self, path: str) -> Reply:
        return self.exchange(self._head(b"GET", path, ()), b"")

    def post(self, path: str, *parts: Part) -> Reply:
        boundary = b"-" * 24 + secrets.token_hex(8).encode()
        body = b"".join(
            b"--" + boundary + b"\r\nContent-Disposition: " + part.disposition + b"\r\n"
            + (b"Content-Type: " + part.content_type + b"\r\n" if part.content_type else b"")
            + b"\r\n" + part.data + b"\r\n"
            for part in parts
        ) + b"--" + boundary + b"--\r\n"  # fmt: skip
        lines = [
            b"Content-Length: %d" % len(body),
            b"Content-Type: multipart/form-data; boundary=" + boundary,
        ]
        expecting = len(body) > self.expect_above
        if expecting:
            lines.append(b"Expect: 100-continue")
        return self.exchange(self._head(b"POST", path, lines), body, wait_for_100=expecting)

    def exchange(self, head: bytes, body: bytes, *, wait_for_100: bool = False) -> Reply:
        """Sends the head, then the body: at once, or only when the server has asked for it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.patience) as connection:
            stream = connection.makefile("rb")
            connection.sendall(head)
            status, headers = _read_head(stream) if wait_for_100 else (100, {})
            if status == 100:
                self.before_body()
                connection.sendall(body)
                status, headers = _read_head(stream)
            assert status != 100
            if head.startswith(b"HEAD"):
                return Reply(wait_for_100, status, headers, b"")
            answered = stream.read(int(headers["content-length"]))
            return Reply(wait_for_100, status, headers, answered)

    def _head(self, method: bytes, path: str, lines: Sequence[bytes]) -> bytes:
        first = method + b" " + path.encode() + b" HTTP/1.1"
        host = b"Host: 127.0.0.1:%d" % self.port
        keyed = [self.key_header] if self.key_header else []
        return b"\r\n".join([first, host, b"Accept: */*", *keyed, *lines, b"", b""])


def _read_head(stream: Any) -> tuple[int, dict[str, str]]:
    status_line = stream.readline()
    assert status_line.startswith(b"HTTP/1.1 "), status_line
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    return int(status_line.split()[1]), headers


class Service:
    """`python -m service serve` on a free port, with its log kept in memory."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.port = _free_port()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"],
            cwd=ROOT,
            env={**inherited, "PORT": str(self.port), **environment},
            stdout=subprocess.DEVNULL,
            # A pipe, not a file: the service is going to be forbidden to write any.
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.folder = folder

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        caller = Caller(self.port, key_header=b"")
        while True:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            try:
                if caller.get("/ready").status == 200:
                    return
            except ConnectionRefusedError:
                pass
            time.sleep(0.1)

    def wait_for_log(self, text: str) -> None:
        """A line is written just after its answer, so it may come a moment later."""
        deadline = time.monotonic() + 30
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def forbid_writing_files(self) -> None:
        """From now on no write of this process to any file succeeds, whoever runs it and wherever the file is."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, 0))

    def stop(self) -> int:
        """SIGTERM, as docker sends it; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(120)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


StartService = Callable[..., Service]


@pytest.fixture(scope="session")
def start_service(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """`start_service(FACE_MODEL="3")` starts one more service; all are stopped in the end."""
    started: list[Service] = []

    def start(**settings: str) -> Service:
        folder = tmp_path_factory.mktemp("service")
        keys = folder / "api.key"
        keys.write_text(f"{FORMER_KEY}\n{KEY}\n")
        keys.chmod(0o600)
        service = Service(
            {"API_KEY": "", "API_KEY_FILE": str(keys), "FACE_STORE": str(store.resolve()), **settings}, folder
        )
        started.append(service)
        return service

    yield start
    for service in started:
        if service.process.poll() is None:
            service.stop()


@pytest.fixture(scope="session")
def service(start_service: StartService) -> Iterator[Service]:
    """One service for all tests: model 4, and no way to write to a disk."""
    running = start_service(TMPDIR="/nonexistent/temporary", FACE_LOG_LEVEL="debug")
    running.wait_until_ready()
    running.forbid_writing_files()
    yield running
    assert running.stop() == 0


@pytest.fixture
def caller(service: Service) -> Caller:
    return Caller(service.port)


@pytest.fixture(scope="session")
def portrait(photos: dict[str, Path]) -> bytes:
    """A JPEG with one face."""
    return photos["obama2.jpg"].read_bytes()
