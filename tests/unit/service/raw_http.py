"""Raw HTTP/1.1 requests and responses, for requests that no HTTP library sends."""

from __future__ import annotations

import socket

from tests.calling import Reply, read_head
from tests.unit.service.conftest import KEY, PATIENCE

KEY_LINE = b"x-api-key: " + KEY.encode() + b"\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def head(line: bytes, headers: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request's head: `line` is method and target, `headers` are lines that end with CRLF."""
    return line + b" HTTP/" + version + b"\r\nHost: h\r\n" + KEY_LINE + headers + b"\r\n"


def photo(png: bytes, version: bytes = b"1.1", headers: bytes = b"") -> bytes:
    """A complete `/detect` request with a photo."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + png + b"\r\n--b--\r\n"
    )
    return head(b"POST /detect", headers + FORM + b"Content-Length: %d\r\n" % len(body), version) + body


def answers(connection: socket.socket) -> list[Reply]:
    """All responses until the service closes its side. Raises ConnectionResetError if it resets the connection."""
    found = []
    with connection.makefile("rb") as stream:
        while stream.peek(1):
            status, headers = read_head(stream)
            found.append(Reply(False, status, headers, stream.read(int(headers["content-length"]))))
    return found
