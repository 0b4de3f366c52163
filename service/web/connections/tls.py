"""TLS between a socket's transport and its HTTP connection, in this process, by OpenSSL in memory.

asyncio's own TLS transport lacks what `Connection` uses: no half-close, no exact size of unsent bytes, no event before
the end of the handshake. It also takes 256 KiB for each connection. Here the connection exists from the first packet.
So a handshake is bounded as a request's head is: by FACE_PATIENCE, and by the limits on idle connections.
"""

import asyncio
import ssl
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from service.json_text import MEDIA_TYPE, serialised
from service.rate_limited_warning import RateLimitedWarning
from service.web.connections.lingering import Lingering

RECORD_BYTES = 64 * 1024
"""Bytes read from the socket, and handed on, at a time: READ_AT_ONCE of the connection."""

START_BYTES = 9
"""Length of the first record's header and its handshake message's header (RFC 8446, 5.1 and 4)."""

HANDSHAKE_BYTES = 16 * 1024
"""Maximum bytes of a client's handshake; a usual one has 300 to 2,000. OpenSSL allows 128 KiB, and reserves at once
what the first message declares."""

_HANDSHAKE_RECORD, _CLIENT_HELLO = 22, 1


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The protocol of a socket's transport below, and the transport of the HTTP connection above."""

    def __init__(
        self, context: ssl.SSLContext, connection: asyncio.Protocol, failures: RateLimitedWarning
    ) -> None:
        super().__init__()
        self._context = context
        self._connection = connection
        self._failures = failures
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._loop = asyncio.get_running_loop()
        self._start = b""
        """The first bytes, until START_BYTES have arrived."""
        self._received = 0
        """Bytes of the handshake so far."""
        self._established = False
        self._reading = True
        self._input_ended = self._output_ended = False
        self._closing = False
        self._refused: Lingering | None = None
        """Lingering close after an answer without TLS."""

    # Events of the socket's transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._below = transport
        transport.max_size = RECORD_BYTES  # type: ignore[attr-defined]
        self._connection.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            self._refused.discard(len(data))
        elif self._output_ended:
            self._connection.data_received(data)  # lingers, and counts bytes only
        elif self._established:
            self._incoming.write(data)
            self._hand_on()
        else:
            self._continue_handshake(data)

    def eof_received(self) -> bool:
        if self._refused is None:
            self._end_input()
        return self._input_ended and not self._closing

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self._refused is not None:
            self._refused.stop()
        self._connection.connection_lost(exc)

    # Handshake.

    def _continue_handshake(self, data: bytes) -> None:
        if self._received < START_BYTES:
            self._start += data
            data = self._start
            if len(data) < START_BYTES and not _is_text(data):
                return
            self._start = b""
            if _is_text(data):
                self._refuse_plain_http()
                return
            if not _is_hello(data):
                self._fail("no TLS handshake")
                return
        self._received += len(data)
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            if self._received > HANDSHAKE_BYTES:
                self._fail("a handshake of too many bytes")
            return
        except ssl.SSLError as error:
            self._fail(_reason(error))
            return
        self._established = True
        self._send()
        self._hand_on()

    def _refuse_plain_http(self) -> None:
        """Answer a request without TLS, whose sender has http:// in its address, in plain HTTP."""
        body = serialised({"error": "this service is reached by HTTPS: its address begins with https://"})
        status = HTTPStatus.BAD_REQUEST
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._below.write(head.encode("ascii") + body)
        self._refused = Lingering(self._below)

    def _fail(self, reason: str) -> None:
        self._failures.warning("a TLS connection failed: %s", reason)
        self._send()  # OpenSSL's alert
        self._closing = True
        self._below.close()

    # Decrypted input.

    def _hand_on(self) -> None:
        """Decrypt what has arrived, as long as the connection reads."""
        while self._reading and not (self._closing or self._output_ended):
            try:
                data, ended = self._decrypted()
            except ssl.SSLError as error:
                self._fail(_reason(error))
                return
            if data:
                self._connection.data_received(data)
                continue
            if ended:
                self._end_input()
            break
        if not self._closing:
            self._send()  # an answer of OpenSSL, such as to a key update
            if self._reading and not self._input_ended:
                self._below.resume_reading()

    def _decrypted(self) -> tuple[bytes, bool]:
        """At most RECORD_BYTES that have arrived, and True if the peer's close_notify follows them."""
        pieces, size = [], 0
        try:
            while size < RECORD_BYTES and (piece := self._tls.read(RECORD_BYTES - size)):
                pieces.append(piece)
                size += len(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        return b"".join(pieces), size < RECORD_BYTES

    def _end_input(self) -> None:
        """The peer's end of input, by close_notify or by a FIN. HTTP itself detects a request that is cut off."""
        if not self._input_ended and not self._closing:
            self._input_ended = True
            if not self._connection.eof_received():
                self.close()

    # The transport of the connection.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._fail(_reason(error))
        else:
            self._send()

    def _send(self) -> None:
        if encrypted := self._outgoing.read():
            self._below.write(encrypted)

    def write_eof(self) -> None:
        self._notify_end()
        self._output_ended = True
        self._below.write_eof()

    def _notify_end(self) -> None:
        """Send close_notify. The peer's is not awaited: it tells nothing that HTTP does not (RFC 9112, 9.8)."""
        if self._established:
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._send()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if not self._closing:
            self._notify_end()
            self._closing = True
            self._below.close()

    def abort(self) -> None:
        self._closing = True
        self._below.abort()

    def is_closing(self) -> bool:
        return self._closing or self._below.is_closing()

    def pause_reading(self) -> None:
        self._reading = False
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Hand on what is decrypted already, and only then read from the socket again."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._hand_on)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._context if name == "sslcontext" else self._below.get_extra_info(name, default)


def _is_text(start: bytes) -> bool:
    """True for a method of HTTP: a handshake record begins with a control character."""
    return start[:1].isalpha()


def _is_hello(start: bytes) -> bool:
    """True for the start of a ClientHello of at most HANDSHAKE_BYTES, in one record or in several."""
    return (
        start[0] == _HANDSHAKE_RECORD
        and start[5] == _CLIENT_HELLO
        and int.from_bytes(start[6:9]) <= HANDSHAKE_BYTES
    )


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or type(error).__name__).replace("_", " ").lower()
