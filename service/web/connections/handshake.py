"""The bytes of a TLS handshake before OpenSSL gets them: their form, their number, and a request without TLS."""

import ssl
from http import HTTPStatus

from service.json_text import MEDIA_TYPE, serialised

START_BYTES = 9
"""Length of the first record's header and its handshake message's header (RFC 8446, 5.1 and 4)."""

HANDSHAKE_BYTES = 16 * 1024
"""Maximum bytes of a client's handshake; a usual one has 300 to 2,000. OpenSSL allows 128 KiB, and reserves at once
what the first message declares."""

_HANDSHAKE_RECORD, _CLIENT_HELLO = 22, 1


class PlainHttp(Exception):
    """The connection begins with a request without TLS: the address of its sender begins with http://."""


class NoHandshake(Exception):
    """The connection does not begin with a ClientHello of at most HANDSHAKE_BYTES."""


class Handshake:
    """The input of one handshake."""

    def __init__(self) -> None:
        self._start = b""
        """The first bytes, until START_BYTES have arrived."""
        self._received = 0

    @property
    def too_long(self) -> bool:
        """True beyond HANDSHAKE_BYTES: a handshake that is still incomplete then has to end."""
        return self._received > HANDSHAKE_BYTES

    def checked(self, data: bytes) -> bytes:
        """The bytes for OpenSSL; none until START_BYTES have arrived. Raises PlainHttp and NoHandshake."""
        if not self._received:
            self._start += data
            if self._start[
                :1
            ].isalpha():  # a method of HTTP; a handshake record begins with a control character
                raise PlainHttp
            if len(self._start) < START_BYTES:
                return b""
            if not _is_hello(self._start):
                raise NoHandshake("no TLS handshake")
            data, self._start = self._start, b""
        self._received += len(data)
        return data


def _is_hello(start: bytes) -> bool:
    """True for the start of a ClientHello of at most HANDSHAKE_BYTES, in one record or in several."""
    return (
        start[0] == _HANDSHAKE_RECORD
        and start[5] == _CLIENT_HELLO
        and int.from_bytes(start[6:9]) <= HANDSHAKE_BYTES
    )


def plain_http_answer() -> bytes:
    """The answer to a request without TLS, in plain HTTP."""
    body = serialised({"error": "this service is reached by HTTPS: its address begins with https://"})
    status = HTTPStatus.BAD_REQUEST
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason in words, for the log: it has no text of the peer."""
    return (error.reason or type(error).__name__).replace("_", " ").lower()
