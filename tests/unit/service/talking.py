"""Bytes on a connection, for requests that no HTTP library sends."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple

from tests.unit.service.conftest import KEY, PATIENCE

KEY_LINE = b"x-api-key: " + KEY.encode() + b"\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


class Answer(NamedTuple):
    """One answer of the service."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def head(line: bytes, headers: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request's head: method and target, and header lines that end with CRLF."""
    return line + b" HTTP/" + version + b"\r\nHost: h\r\n" + KEY_LINE + headers + b"\r\n"


def photo(png: bytes, version: bytes = b"1.1", headers: bytes = b"") -> bytes:
    """A whole request for the faces of a photo."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + png + b"\r\n--b--\r\n"
    )
    return head(b"POST /detect", headers + FORM + b"Content-Length: %d\r\n" % len(body), version) + body


def answers(connection: socket.socket) -> list[Answer]:
    """All answers until the service ends its side. Raises ConnectionResetError where it resets the connection."""
    found = []
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            assert line.startswith(b"HTTP/1.1 "), line
            headers = {}
            while header := stream.readline().strip():
                name, _, value = header.partition(b":")
                headers[name.decode().lower()] = value.strip().decode()
            found.append(Answer(int(line.split()[1]), headers, stream.read(int(headers["content-length"]))))
    return found
