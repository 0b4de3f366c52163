"""The first bytes of a connection, however they are cut."""

import pytest

from service.web.connections.handshake import HANDSHAKE_BYTES, Handshake, NoHandshake, PlainHttp


def hello(size: int) -> bytes:
    """The start of a ClientHello that declares `size` bytes."""
    return b"\x16\x03\x01\x02\x00\x01" + size.to_bytes(3) + bytes(200)


@pytest.mark.parametrize("cut", [1, 2, 8, 9, 10, 200])
def test_hands_on_every_byte_of_a_hello_from_its_ninth(cut: int) -> None:
    whole, handshake = hello(HANDSHAKE_BYTES), Handshake()
    pieces = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    handed_on = [handshake.checked(piece) for piece in pieces]
    assert b"".join(handed_on) == whole
    assert not any(handed_on[: 8 // cut])


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        (b"GET / HTTP/1.1\r\n", PlainHttp),
        (hello(HANDSHAKE_BYTES + 1), NoHandshake),
        (b"\x15" + hello(100)[1:], NoHandshake),
        (hello(100)[:5] + b"\x02" + hello(100)[6:], NoHandshake),
    ],
)
@pytest.mark.parametrize("cut", [1, 200])
def test_refuses_another_start(start: bytes, fault: type[Exception], cut: int) -> None:
    handshake = Handshake()
    pieces = [start[position : position + cut] for position in range(0, len(start), cut)]
    with pytest.raises(fault):
        b"".join(map(handshake.checked, pieces))


def test_counts_all_bytes() -> None:
    handshake = Handshake()
    handshake.checked(hello(100))
    handshake.checked(bytes(HANDSHAKE_BYTES - len(hello(100))))
    assert not handshake.too_long
    handshake.checked(b"\0")
    assert handshake.too_long
