from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import ipc

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Pair]:
    first, second = ipc.pair()
    with first, second:
        yield first, second


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_packet_keeps_its_bounds_and_its_descriptor(ends: Pair) -> None:
    here, there = ends
    with ipc.SealedMemory.of(b"pixels") as memory:
        ipc.send(here, b"first", [memory.descriptor])
    ipc.send(here, bytes(ipc.MAXIMUM_PACKET))
    packet, (descriptor,) = ipc.receive(there)
    assert (packet, os.pread(descriptor, 10, 0)) == (b"first", b"pixels")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    assert ipc.receive(there) == (bytes(ipc.MAXIMUM_PACKET), [])


def test_the_end_of_the_connection_is_an_empty_packet(ends: Pair) -> None:
    here, there = ends
    ipc.send(here, b"last")
    here.close()
    assert ipc.receive(there) == (b"last", [])
    assert ipc.receive(there) == (b"", [])
    with pytest.raises(ConnectionError):
        ipc.send(there, b"too late")


@pytest.mark.parametrize("length", [0, ipc.MAXIMUM_PACKET + 1])
def test_a_packet_of_no_byte_or_too_many_is_not_sent(ends: Pair, length: int) -> None:
    with pytest.raises(ValueError, match=f"a packet of {length} bytes"):
        ipc.send(ends[0], bytes(length))


def test_a_packet_that_is_too_long_is_refused(ends: Pair) -> None:
    here, there = ends
    here.send(bytes(ipc.MAXIMUM_PACKET + 1))
    with pytest.raises(ipc.MalformedPacket):
        ipc.receive(there)


@pytest.mark.parametrize("surplus", [1, 2, 20])
def test_descriptors_beyond_the_first_are_refused_and_closed(ends: Pair, surplus: int) -> None:
    here, there = ends
    before = descriptors()
    with ipc.SealedMemory.of(b"pixels") as memory:
        socket.send_fds(here, [b"packet"], [memory.descriptor] * (1 + surplus))
    with pytest.raises(ipc.MalformedPacket):
        ipc.receive(there)
    assert descriptors() == before


def test_a_full_nonblocking_socket_raises(ends: Pair) -> None:
    here, _ = ends
    here.setblocking(False)

    def fill() -> None:
        for _ in range(10_000):
            ipc.send(here, bytes(1000))

    with pytest.raises(BlockingIOError):
        fill()
