"""Protocol between the pool and a decoder child: packets of JSON; upload and pixels travel as sealed memory.

A child has decoded untrusted bytes and is itself untrusted: `reply` validates every value.
"""

import json
from dataclasses import dataclass
from typing import Any

from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.memory import CMYK_COMPONENTS, FORMATS, JPEG_COMPONENTS, Header
from service.sandbox import Restrictions
from service.text import MAXIMUM_MESSAGE, encodable

MAXIMUM_SIDE = 1 << 64
"""Largest width or height of a header, in pixels: BigTIFF has numbers of 64 bits."""
MAXIMUM_SIZE = 1 << 48
"""Upper bound of any size in bytes: the address space of a process."""

CHANNELS = 3

MAXIMUM_ABI = 1000
"""Upper bound of Landlock's ABI version; 7 in Linux 6.15."""


class MalformedMessage(Exception):
    """The packet is not a valid message of this protocol."""


@dataclass(frozen=True)
class Request:
    """Request to parse an image's header or, with `header`, to decode its pixels. It carries the upload's memory."""

    size: int
    """Bytes of the image, at the start of the memory."""
    maximum_area: int
    """Limit in pixels."""
    header: Header | None = None
    """Result of the header request for the same image; the limits of decoding follow from it."""
    honour_orientation: bool = False

    def packet(self) -> bytes:
        """The message to send."""
        found = list(self.header) if self.header is not None else None
        return _packet([self.size, self.maximum_area, found, self.honour_orientation])


@dataclass(frozen=True)
class Pixels:
    """Shape of a decoded image; its pixels come as sealed memory, (rows, columns, 3) uint8, RGB."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.rows * self.columns * CHANNELS


Refusal = UndecodableImage | ImageTooLarge | MemoryError


@dataclass(frozen=True)
class OverLimit:
    """The image exceeded its memory limit."""


Result = Header | Pixels | Refusal | OverLimit


@dataclass(frozen=True)
class Reply:
    """Reply of a child."""

    result: Result
    grown: int
    """Growth of the child's memory since its fork in bytes, beyond heap.DECODER_KEEPS."""

    def packet(self) -> bytes:
        """The message to send."""
        result: list[Any]
        match self.result:
            case Header() as found:
                result = ["header", *found]
            case Pixels(rows, columns):
                result = ["pixels", rows, columns]
            case ImageTooLarge() as error:
                result = ["too large", error.width, error.height]
            case UndecodableImage() as error:
                result = ["undecodable", encodable(str(error))]
            case MemoryError() as error:
                result = ["no memory", encodable(str(error))]
            case OverLimit():
                result = ["over limit"]
        return _packet([self.grown, *result])


def greeting(restrictions: Restrictions) -> bytes:
    """The first packet of a child: its sandbox."""
    return _packet(list(restrictions))


def restrictions(packet: bytes) -> Restrictions:
    """Parse a greeting. Raises MalformedMessage."""
    match _parsed(packet):
        case [bool(privileges), landlock, bool(seccomp), bool(growth)]:
            return Restrictions(privileges, _whole(landlock, 0, MAXIMUM_ABI), seccomp, growth)
    raise MalformedMessage("a greeting of another form")


def request(packet: bytes) -> Request:
    """Parse a request. Raises MalformedMessage."""
    match _parsed(packet):
        case [size, maximum_area, found, bool(honour_orientation)]:
            return Request(
                _whole(size, 0, MAXIMUM_SIZE),
                _whole(maximum_area, 0, MAXIMUM_SIZE),
                None if found is None else _header(found, MAXIMUM_SIZE),
                honour_orientation,
            )
    raise MalformedMessage("a request of another form")


def reply(packet: bytes, asked: Request, memory: int) -> Reply:
    """Parse and validate the reply to the request `asked`, which came with `memory` bytes of sealed memory.

    Raises MalformedMessage.
    """
    match _parsed(packet):
        case [grown, *rest]:
            result = _result(rest, asked)
            if memory != (result.size if isinstance(result, Pixels) else 0):
                raise MalformedMessage("memory of another size than the pixels")
            return Reply(result, _whole(grown, 0, MAXIMUM_SIZE))
    raise MalformedMessage("a reply of another form")


def _result(result: list[Any], asked: Request) -> Result:
    match result:
        case ["header", *found] if asked.header is None:
            return _header(found, asked.maximum_area)
        case ["pixels", rows, columns] if asked.header is not None:
            _area(rows, columns, min(asked.maximum_area, asked.header.area))
            return Pixels(rows, columns)
        case ["too large", width, height]:
            width, height = _whole(width, 1, MAXIMUM_SIDE), _whole(height, 1, MAXIMUM_SIDE)
            if width * height <= asked.maximum_area:
                raise MalformedMessage("an image within the limit is refused as too large")
            return ImageTooLarge(width, height, asked.maximum_area)
        case ["undecodable", message]:
            return UndecodableImage(_message(message))
        case ["no memory", message]:
            return MemoryError(_message(message))
        case ["over limit"]:
            return OverLimit()
    raise MalformedMessage("a result of another form, or to another request")


def _header(found: Any, maximum_area: int) -> Header:
    match found:
        case [width, height, str(kind), components] if kind in FORMATS:
            _area(width, height, maximum_area)
            if _whole(components, 1, CMYK_COMPONENTS) in JPEG_COMPONENTS:
                return Header(width, height, kind, components)
    raise MalformedMessage("a header of another form")


def _area(width: Any, height: Any, maximum_area: int) -> None:
    if _whole(width, 1, MAXIMUM_SIDE) * _whole(height, 1, MAXIMUM_SIDE) > maximum_area:
        raise MalformedMessage("an image of more pixels than the limit")


def _whole(value: Any, lowest: int, highest: int) -> int:
    if type(value) is not int or not lowest <= value <= highest:  # True is an int too
        raise MalformedMessage(f"no whole number of {lowest} to {highest}")
    return value


def _message(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAXIMUM_MESSAGE or value != encodable(value):
        raise MalformedMessage("no text of a refusal")
    return value


def _packet(values: list[Any]) -> bytes:
    return json.dumps(values).encode()


def _parsed(packet: bytes) -> Any:
    try:
        return json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("no JSON") from error
