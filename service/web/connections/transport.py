"""asyncio's transport with a lingering close, and with probes that distinguish a half-closed peer from a closed one."""

import asyncio
from collections.abc import Callable
from typing import Any

from service.web.connections.lingering import Lingering

ANSWER_START = b"HTTP/1.1 "
"""Start of every status line (RFC 9112, section 4), whatever its status and the version of the request."""

PROBE_SECONDS = 0.5
"""Interval of the probes. A closed peer resets the connection at the first probe. A relay of TCP connections, such as
Docker's userland proxy, forwards the first probe, receives the reset at the second, and closes at the third."""


class CallerTransport(asyncio.Transport):
    """The transport of one connection. `unread` returns True if a part of the request may still arrive."""

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._unread = unread
        self._loop = asyncio.get_running_loop()
        self._probed = 0
        """Octets of ANSWER_START that have been sent as probes."""
        self._next_probe: asyncio.TimerHandle | None = None
        self.lingering: Lingering | None = None

    def probe(self) -> None:
        """Send the octets of ANSWER_START one by one, every PROBE_SECONDS, ahead of the answer.

        A peer that has closed its socket answers with a reset, which `HangUps` reports. A half-closed peer
        (shutdown(2), SHUT_WR) receives a part of the status line, and waits for the rest.
        """
        if self._next_probe is None and not self.is_closing():
            self._send_probe()

    def _send_probe(self) -> None:
        self._next_probe = None
        if self._probed < len(ANSWER_START) and not self.is_closing():
            self._transport.write(ANSWER_START[self._probed : self._probed + 1])
            self._probed += 1
            self._next_probe = self._loop.call_later(PROBE_SECONDS, self._send_probe)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send the head of an answer, or a part of its body."""
        self._stop_probes()
        if self._probed and data:
            sent, self._probed = self._probed, 0
            if data[:sent] != ANSWER_START[:sent]:
                raise ValueError("an answer starts with other octets than those that were sent as probes")
            data = data[sent:]
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection, with a lingering close if the request is not read to its end."""
        if self.is_closing():
            return
        if self._unread():
            self.lingering = Lingering(self._transport)
        else:
            self._transport.close()

    def lost(self) -> None:
        """Cancel all timers, once the connection is closed, and break the reference cycle with the connection.

        With that cycle, 10,000 closed connections kept 200 MiB of incomplete heads until the next full collection.
        """
        self._stop_probes()
        self._unread = bool
        if self.lingering is not None:
            self.lingering.stop()

    def _stop_probes(self) -> None:
        if self._next_probe is not None:
            self._next_probe.cancel()
            self._next_probe = None

    def is_closing(self) -> bool:
        return self.lingering is not None or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        if self.lingering is None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
