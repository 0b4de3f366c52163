"""Packets with file descriptors over Unix sockets that keep packet boundaries (SOCK_SEQPACKET, unix(7))."""

import os
import socket
from array import array
from collections.abc import Sequence

MAXIMUM_PACKET = 32 * 1024
"""Bytes. Linux copies a packet into one contiguous block, and the allocation of more than 32 KiB often fails."""

MAXIMUM_DESCRIPTORS = 1
"""Descriptors of one packet."""

_CONTROL = socket.CMSG_LEN(MAXIMUM_DESCRIPTORS * array("i").itemsize)
"""Bytes of the control message of a packet."""


class MalformedPacket(Exception):
    """The packet is longer than MAXIMUM_PACKET, or carries more than MAXIMUM_DESCRIPTORS."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection; blocking, and closed on execve(2)."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(connection: socket.socket, packet: bytes | memoryview, descriptors: Sequence[int] = ()) -> None:
    """Send one packet of 1 to MAXIMUM_PACKET bytes.

    Raises BlockingIOError if a non-blocking socket is full, ConnectionError if the peer is gone, ValueError for
    another length.
    """
    if not 0 < len(packet) <= MAXIMUM_PACKET:
        raise ValueError(f"a packet of {len(packet)} bytes")
    # Not socket.send_fds and recv_fds: they ignore their flags (Python 3.11).
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
    connection.sendmsg([packet], rights, socket.MSG_NOSIGNAL)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a packet and its descriptors, which the caller owns; an empty packet is the end of the connection.

    Raises MalformedPacket, BlockingIOError or ConnectionError.
    """
    packet, control, flags, _ = connection.recvmsg(MAXIMUM_PACKET, _CONTROL, socket.MSG_CMSG_CLOEXEC)
    rights = b"".join(data for _, kind, data in control if kind == socket.SCM_RIGHTS)
    descriptors = array("i", rights).tolist()
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(descriptors) > MAXIMUM_DESCRIPTORS:
        for descriptor in descriptors:
            os.close(descriptor)
        raise MalformedPacket("a packet is too long, or carries too many descriptors")
    return packet, descriptors
