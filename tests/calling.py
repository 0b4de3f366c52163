"""HTTP client that sends the same bytes as the Nextcloud app."""

import json
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import PATIENCE

KEY = "NZ9ciQuH0djnyyTcsDhNL7so6SVrR01znNnv0iXLrSk="


@dataclass(frozen=True)
class Reply:
    """A response."""

    interim: bool
    """True if `100 Continue` came first."""
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Part:
    """A part of a multipart form, with headers as libcurl writes them."""

    disposition: bytes
    data: bytes
    content_type: bytes | None = None


@dataclass(frozen=True)
class Caller:
    """The app's client: libcurl from PHP, one connection per request, no User-Agent, no Accept-Encoding."""

    port: int
    key_header: bytes = b"x-api-key: " + KEY.encode()
    expect_above: int = 1024 * 1024
    """Bytes of a body above which libcurl sends `Expect: 100-continue`."""
    patience: float = PATIENCE
    """Time-out in seconds of each socket operation."""
    before_body: Callable[[], object] = bool
    """Called after the head is sent, and after `100 Continue` if that is expected."""

    @staticmethod
    def photo(
        data: bytes,
        name: bytes = b"/srv/nc/tmp/oc_tmp_6fbe56",
        kind: bytes = b"application/octet-stream",
    ) -> Part:
        """The part `file` of `/detect`; for `/compute` the app sends a base name and image/jpeg."""
        return Part(b'form-data; name="file"; filename="' + name + b'"', data, kind)

    @staticmethod
    def face(text: bytes) -> Part:
        """The part `face` of `/compute`."""
        return Part(b'form-data; name="face"', text)

    def get(self, path: str) -> Reply:
        return self.exchange(self._head(b"GET", path, ()), b"")

    def post(self, path: str, *parts: Part, connection: socket.socket | None = None) -> Reply:
        head, body = self.form(path, *parts)
        return self.exchange(head, body, wait_for_100=b"Expect: 100-continue" in head, connection=connection)

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels, as `/metrics` reports it; 0 if its family has no sample.

        Raises KeyError for a name of no family.
        """
        families = list(text_string_to_metric_families(self.get("/metrics").body.decode()))
        if not any(re.fullmatch(f"{family.name}(_total|_sum|_count|_bucket)?", name) for family in families):
            raise KeyError(name)
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def form(self, path: str, *parts: Part) -> tuple[bytes, bytes]:
        """Head and body of a POST with a multipart form."""
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
        if len(body) > self.expect_above:
            lines.append(b"Expect: 100-continue")
        return self._head(b"POST", path, lines), body

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=self.patience)

    def exchange(
        self,
        head: bytes,
        body: bytes,
        *,
        wait_for_100: bool = False,
        connection: socket.socket | None = None,
    ) -> Reply:
        """Sends the head, then the body: at once, or after `100 Continue`. Closes the connection.

        Raises OSError; it is ConnectionResetError also if the server closes the connection without an answer.
        """
        with connection or self.connect() as line, line.makefile("rb") as stream:
            line.sendall(head)
            status, headers = read_head(stream) if wait_for_100 else (100, {})
            if status == 100:
                self.before_body()
                line.sendall(body)
                status, headers = read_head(stream)
            assert status != 100
            if head.startswith(b"HEAD"):
                return Reply(wait_for_100, status, headers, b"")
            length = int(headers["content-length"])
            answered = stream.read(length)
            if len(answered) < length:
                raise ConnectionResetError("the answer is cut off")
            return Reply(wait_for_100, status, headers, answered)

    def _head(self, method: bytes, path: str, lines: Sequence[bytes]) -> bytes:
        first = method + b" " + path.encode() + b" HTTP/1.1"
        host = b"Host: 127.0.0.1:%d" % self.port
        keyed = [self.key_header] if self.key_header else []
        return b"\r\n".join([first, host, b"Accept: */*", *keyed, *lines, b"", b""])


def read_head(stream: Any) -> tuple[int, dict[str, str]]:
    """Status and headers of the next response. Raises ConnectionResetError if there is none."""
    status_line = stream.readline()
    if not status_line:
        raise ConnectionResetError("closed without an answer")
    assert status_line.startswith(b"HTTP/1.1 "), status_line
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    return int(status_line.split()[1]), headers
