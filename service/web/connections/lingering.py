"""Lingering close (RFC 9112, section 9.6): an answer before the end of its request survives the close.

A socket that is closed with unread bytes sends a reset. The peer's kernel may then discard an answer that the caller
has not read yet. Therefore the service shuts down its side only, discards further input, and then closes.
"""

import asyncio
from contextlib import suppress

LINGERING_SECONDS = 30.0
"""Maximum duration of a lingering close, as nginx's lingering_time and Apache's MAX_SECS_TO_LINGER."""

SILENT_SECONDS = 5.0
"""Maximum time without a byte, as nginx's lingering_timeout."""

BYTES = 128 * 1024 * 1024
"""Maximum number of bytes that are discarded: the default of FACE_MAXIMUM_UPLOAD, so that a caller within that limit
can read its answer."""


class Lingering:
    """Lingering close of one connection, within the bounds above; its answer has been written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._left = BYTES
        self._deadline = self._loop.call_later(LINGERING_SECONDS, transport.abort)
        self._silence = self._loop.call_later(SILENT_SECONDS, transport.abort)
        # With a buffered rest of the answer, asyncio would shut down later, and log a traceback if the peer is gone.
        if not transport.get_write_buffer_size():
            with suppress(OSError):  # the peer is gone; the next read detects it
                transport.write_eof()
        transport.resume_reading()

    def discard(self, count: int) -> None:
        """Count received bytes, and abort the connection beyond BYTES."""
        self._left -= count
        self._silence.cancel()
        if self._left < 0:
            self.stop()
            self._transport.abort()
        else:
            self._silence = self._loop.call_later(SILENT_SECONDS, self._transport.abort)

    def stop(self) -> None:
        """Cancel the timers, once the connection is closed."""
        self._deadline.cancel()
        self._silence.cancel()
