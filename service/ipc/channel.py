"""Message channel between two event loops: a head, a body of up to MAXIMUM_BODY, and a memory file, over packets.

The first packet of a message holds the length of the body and the head; the body follows in further packets.
"""

import asyncio
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.ipc.packets import MAXIMUM_PACKET, MalformedPacket, receive, send
from service.ipc.sealed_memory import SealedMemory, UnsealedMemory

log = logging.getLogger(__name__)

PREFIX = struct.Struct("!Q")
"""Length of the body in bytes."""

MAXIMUM_HEAD = MAXIMUM_PACKET - PREFIX.size
MAXIMUM_BODY = 256 * 1024**2
"""Bytes; an answer has some 3 KiB a face."""

PACKETS_AT_ONCE = 64
"""Maximum number of packets that are read in one go, before the event loop serves other descriptors."""


class Message(NamedTuple):
    """A received message."""

    head: bytes
    body: bytes
    memory: SealedMemory | None


class _Packet(NamedTuple):
    content: bytes | memoryview
    memory: SealedMemory | None


class Channel:
    """One end of a connection on the running event loop.

    `received` is called for each message, `closed` once, at the end of the connection. The connection ends when the
    peer is gone, when it has sent an invalid message, when a message cannot be sent, and when `received` raises.
    Neither callback is called after `close`.
    """

    def __init__(
        self,
        connection: socket.socket,
        received: Callable[[Message], None],
        closed: Callable[[], None],
    ) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._received = received
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[_Packet] = deque()
        self._head: tuple[bytes, SealedMemory | None] | None = None
        """Head and memory of a message whose body is incomplete."""
        self._body = bytearray()
        self._missing = 0
        self._loop.add_reader(connection.fileno(), self._read)

    def send(self, head: bytes, body: bytes = b"", memory: SealedMemory | None = None) -> None:
        """Send a message, now or when the socket has room. `memory` must stay open until then.

        After the end of the connection, which `closed` reports, this does nothing. Raises ValueError above the limits.
        """
        if len(head) > MAXIMUM_HEAD or len(body) > MAXIMUM_BODY:
            raise ValueError(f"a message with a head of {len(head)} bytes and a body of {len(body)}")
        if self._connection.fileno() < 0:
            return
        idle = not self._unsent
        self._unsent.append(_Packet(PREFIX.pack(len(body)) + head, memory))
        rest = memoryview(body)
        while rest:
            self._unsent.append(_Packet(rest[:MAXIMUM_PACKET], None))
            rest = rest[MAXIMUM_PACKET:]
        if idle:
            self._write()

    def close(self) -> None:
        """Close the connection; unsent messages are dropped."""
        descriptor = self._connection.fileno()
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
            self._connection.close()
        self._unsent.clear()
        self._head = None

    def _write(self) -> None:
        try:
            while self._unsent:
                packet = self._unsent[0]
                send(self._connection, packet.content, [packet.memory.descriptor] if packet.memory else [])
                self._unsent.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._connection.fileno(), self._write)
            return
        except ConnectionError:
            # The reader reports it, after the messages that the peer has sent before its end.
            self._unsent.clear()
        except OSError as error:
            # The peer is alive, and would wait for this message forever.
            self._unsent.clear()
            self._loop.call_soon(self._end, f"a message cannot be sent ({error.strerror})")
        self._loop.remove_writer(self._connection.fileno())

    def _read(self) -> None:
        for _ in range(PACKETS_AT_ONCE):
            try:
                packet, descriptors = receive(self._connection)
                message = self._add_packet(packet, descriptors) if packet else None
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # the peer left packets unread; Linux reports it once, before the peer's last packets
            except (OSError, MalformedPacket, UnsealedMemory) as error:
                self._end(str(error))
                return
            if not packet:
                self._end()
                return
            if message is not None:
                self._deliver(message)
            if self._connection.fileno() < 0:
                return

    def _add_packet(self, packet: bytes, descriptors: list[int]) -> Message | None:
        """Add a packet, and return the message that it completes, if any. Raises MalformedPacket or UnsealedMemory."""
        if self._head is None:
            memory = SealedMemory(descriptors[0]) if descriptors else None
            if len(packet) < PREFIX.size:
                raise MalformedPacket("a message without its length")
            (self._missing,) = PREFIX.unpack_from(packet)
            if self._missing > MAXIMUM_BODY:
                raise MalformedPacket(f"a body of {self._missing} bytes")
            self._head = packet[PREFIX.size :], memory
        else:
            for descriptor in descriptors:
                os.close(descriptor)
            if descriptors or len(packet) > self._missing:
                raise MalformedPacket("a body with a descriptor, or of more bytes than its message states")
            self._body += packet
            self._missing -= len(packet)
        if self._missing:
            return None
        (head, memory), body = self._head, bytes(self._body)
        self._head = None
        self._body = bytearray()
        return Message(head, body, memory)

    def _deliver(self, message: Message) -> None:
        try:
            self._received(message)
        except Exception:
            # asyncio would log it and go on: the sender of the message would wait forever.
            log.exception("a message could not be processed")
            self._end("a message could not be processed")

    def _end(self, fault: str | None = None) -> None:
        if self._connection.fileno() < 0:
            return
        if fault is not None:
            log.error("the connection to another process is ended: %s", fault)
        self.close()
        self._closed()
