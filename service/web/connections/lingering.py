"""Lingering close (RFC 9112, section 9.6): an answer that comes before the whole request survives the close.

A socket that is closed with unread bytes sends a reset, and a reset lets the peer's kernel discard an answer that the
caller has not read yet. Therefore the service ends its own side only, discards what still comes, and then closes.
"""

import asyncio
from contextlib import suppress

SECONDS = 30.0
"""Of a lingering close in all; nginx's lingering_time, Apache's MAX_SECS_TO_LINGER."""

SILENT_SECONDS = 5.0
"""Without a byte; nginx's lingering_timeout."""

BYTES = 128 * 1024 * 1024
"""That are discarded; the default of FACE_MAXIMUM_UPLOAD, so that a caller within it can read its answer."""


class Lingering:
    """A connection whose answer is written and whose remaining input is discarded, within the bounds above."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._left = BYTES
        self._deadline = self._loop.call_later(SECONDS, transport.abort)
        self._silence = self._loop.call_later(SILENT_SECONDS, transport.abort)
        # asyncio would end its side after a buffered rest of the answer, and log a traceback if the peer has gone then.
        if not transport.get_write_buffer_size():
            with suppress(OSError):  # a peer that is gone already; reading says so
                transport.write_eof()
        transport.resume_reading()

    def discard(self, count: int) -> None:
        """Counts bytes that came, and closes the connection when they are too many."""
        self._left -= count
        self._silence.cancel()
        if self._left < 0:
            self.stop()
            self._transport.abort()
        else:
            self._silence = self._loop.call_later(SILENT_SECONDS, self._transport.abort)

    def stop(self) -> None:
        """Ends the timers, once the connection is closed."""
        self._deadline.cancel()
        self._silence.cancel()
