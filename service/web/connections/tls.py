"""TLS between a socket's transport and its HTTP connection, in this process, by OpenSSL in memory.

asyncio's own TLS transport lacks what `Connection` uses: no half-close, no exact size of unsent bytes, no event before
the end of the handshake. It also takes 256 KiB for each connection. Here the connection exists from the first packet.
So a handshake is bounded as a request's head is: by FACE_PATIENCE, and by the limits on idle connections.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from service.rate_limited_warning import RateLimitedWarning
from service.web.connections.handshake import Handshake, NoHandshake, PlainHttp, plain_http_answer, reason
from service.web.connections.lingering import Lingering

RECORD_BYTES = 64 * 1024
"""Bytes read from the socket, and handed on, at a time: READ_AT_ONCE of the connection. OpenSSL keeps a buffer of that
size until the connection is closed: with heads of 50 kB, 1,000 idle connections took 53 MiB, with small ones 11 MiB.
With 16 KiB the first figure is 38 MiB, and an upload takes twice the time of the processor."""

PIECE_BYTES = 16 * 1024
"""Bytes of an answer that are encrypted at a time: a record. 1,000 idle connections that had answers of 100 kB took
128 MiB when each was encrypted as a whole."""


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
        self._handshake = Handshake()
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
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self._refused is not None:
            self._refused.stop()
        self._connection.connection_lost(exc)
        self._connection = asyncio.Protocol()  # breaks the reference cycle, as in `CallerTransport.lost`

    # Handshake.

    def _continue_handshake(self, data: bytes) -> None:
        try:
            self._incoming.write(self._handshake.checked(data))
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            if self._handshake.too_long:
                self._fail("a handshake of too many bytes")
        except PlainHttp:
            self._below.write(plain_http_answer())
            self._refused = Lingering(self._below)
        except NoHandshake as error:
            self._fail(str(error))
        except ssl.SSLError as error:
            self._fail(reason(error))
        else:
            self._established = True
            self._send()
            self._hand_on()

    def _fail(self, fault: str) -> None:
        self._failures.warning("a TLS connection failed: %s", fault)
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
                self._fail(reason(error))
                return
            if data:
                self._connection.data_received(data)
                continue
            if ended:
                self._end_input()
            break
        if not self._closing:
            self._send()  # an answer of OpenSSL, such as to a key update
            self._read_on()

    def _read_on(self) -> None:
        """Read from the socket, unless the connection pauses.

        After close_notify nothing is read: OpenSSL would keep it. And nothing while OpenSSL's answers are not taken: a
        peer can ask for one by each record.
        """
        if self._input_ended or self._below.get_write_buffer_size() > RECORD_BYTES:
            self._below.pause_reading()
        elif self._reading:
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
        """Encrypt in pieces, of which OpenSSL keeps a buffer, and send as one: the connection counts its bytes."""
        if self._closing or not data:
            return
        encrypted = []
        try:
            for start in range(0, len(data), PIECE_BYTES):
                self._tls.write(data[start : start + PIECE_BYTES])
                encrypted.append(self._outgoing.read())
        except ssl.SSLError as error:
            self._fail(reason(error))
        else:
            self._below.write(b"".join(encrypted))

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
