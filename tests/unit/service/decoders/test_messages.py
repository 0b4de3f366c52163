"""Round trips of messages, and validation of packets."""

import json
from typing import Any

import pytest

from service import ipc
from service.decoders import messages
from service.decoders.messages import MalformedMessage, OverLimit, Pixels, Reply, Request
from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.memory import Header
from service.text import MAXIMUM_MESSAGE

HEADER = Header(64, 40, "JPEG", 4)
TO_HEADER = Request(1000, 4000)
TO_PIXELS = Request(1000, 4000, HEADER, True)


@pytest.mark.parametrize("request_", [TO_HEADER, TO_PIXELS, Request(0, 0)])
def test_a_request(request_: Request) -> None:
    assert messages.request(request_.packet()) == request_


@pytest.mark.parametrize(
    "values",
    [
        *(
            None,
            1,
            "x",
            {},
            [],
            [1000],
            [1000, 4000, None],
            [1000, 4000, None, 1],
            [1000, 4000, None, True, 1],
        ),
        *(
            [-1, 4000, None, True],
            [1.0, 4000, None, True],
            [True, 4000, None, True],
            [1000, "4000", None, True],
        ),
        *([1000, 4000, [64, 40, "JPEG"], True], [1000, 4000, [64, 40, "PPM", 3], True]),
        *([1000, 4000, [64, 40, "JPEG", 2], True], [1000, 4000, [64, 40, "JPEG", True], True]),
        *([1000, 4000, [64, 0, "JPEG", 3], True]),
    ],
)
def test_a_malformed_request(values: Any) -> None:
    with pytest.raises(MalformedMessage):
        messages.request(json.dumps(values).encode())


@pytest.mark.parametrize("packet", [b"", b"\xff", b"[", b"[" * 30_000, b"[" + b"9" * 20_000 + b"]"])
def test_a_packet_that_is_not_json(packet: bytes) -> None:
    with pytest.raises(MalformedMessage):
        messages.request(packet)
    with pytest.raises(MalformedMessage):
        messages.reply(packet, TO_HEADER, 0)


@pytest.mark.parametrize(
    ("asked", "result", "memory"),
    [
        (TO_HEADER, HEADER, 0),
        (TO_PIXELS, Pixels(40, 64), 40 * 64 * 3),
        *((asked, OverLimit(), 0) for asked in (TO_HEADER, TO_PIXELS)),
    ],
)
def test_a_reply(asked: Request, result: Header | Pixels | OverLimit, memory: int) -> None:
    assert messages.reply(Reply(result, 5).packet(), asked, memory) == Reply(result, 5)


@pytest.mark.parametrize("error", [UndecodableImage("damaged: “é”\0"), MemoryError("none"), MemoryError()])
def test_a_refusal(error: Exception) -> None:
    assert isinstance(error, UndecodableImage | MemoryError)
    found = messages.reply(Reply(error, 0).packet(), TO_HEADER, 0).result
    assert type(found) is type(error)
    assert str(found) == str(error)


def test_an_image_that_is_too_large() -> None:
    error = ImageTooLarge(100, 50, 4000)
    found = messages.reply(Reply(error, 0).packet(), TO_HEADER, 0).result
    assert isinstance(found, ImageTooLarge)
    assert str(found) == str(error)


@pytest.mark.parametrize("text", ["\U0001f600" * 100_000, "\ud800" * 100_000, "\0" * 100_000])
def test_a_long_refusal_is_cut(text: str) -> None:
    packet = Reply(UndecodableImage(text), 0).packet()
    assert len(packet) <= ipc.MAXIMUM_PACKET
    found = messages.reply(packet, TO_HEADER, 0).result
    assert len(str(found)) == MAXIMUM_MESSAGE
    str(found).encode()


MALFORMED: list[Any] = [None, 1, {}, [], [0], ["header"], [0, "what"], [0, "over limit", 1]]


@pytest.mark.parametrize(
    ("asked", "values", "memory"),
    [
        *((TO_HEADER, values, 0) for values in MALFORMED),
        *((TO_HEADER, [grown, "over limit"], 0) for grown in (-1, 0.5, None, True, 1 << 60)),
        # to another request
        (TO_PIXELS, [0, "header", 64, 40, "JPEG", 3], 0),
        (TO_HEADER, [0, "pixels", 40, 64], 40 * 64 * 3),
        # beyond the area
        (TO_HEADER, [0, "header", 100, 41, "JPEG", 3], 0),
        (TO_PIXELS, [0, "pixels", 100, 41], 100 * 41 * 3),
        (TO_PIXELS, [0, "pixels", 41, 64], 41 * 64 * 3),
        (TO_PIXELS, [0, "pixels", -40, -64], 40 * 64 * 3),
        # within the area
        (TO_HEADER, [0, "too large", 100, 40], 0),
        (TO_HEADER, [0, "too large", 1 << 65, 1], 0),
        # memory of another size
        (TO_PIXELS, [0, "pixels", 40, 64], 0),
        (TO_PIXELS, [0, "pixels", 40, 64], 40 * 64 * 3 + 1),
        (TO_HEADER, [0, "header", 64, 40, "JPEG", 3], 1),
        # texts
        (TO_HEADER, [0, "undecodable", 1], 0),
        (TO_HEADER, [0, "undecodable", "\ud800"], 0),
        (TO_HEADER, [0, "no memory", "x" * (MAXIMUM_MESSAGE + 1)], 0),
    ],
)
def test_a_malformed_reply(asked: Request, values: Any, memory: int) -> None:
    with pytest.raises(MalformedMessage):
        messages.reply(json.dumps(values).encode(), asked, memory)
