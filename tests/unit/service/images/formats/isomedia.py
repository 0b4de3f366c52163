"""Writer of AVIF and HEIF containers for coded pictures of real encoders."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


def box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *content)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", major, bytes(4), *compatible)


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def grid(columns: int, rows: int, width: int, height: int) -> bytes:
    """The data of a derived image (ISO/IEC 23008-12, 6.6.2.3.2)."""
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


class Picture(NamedTuple):
    """An item of a container."""

    kind: bytes
    properties: Sequence[bytes]
    data: bytes


def parts_of(file: bytes) -> tuple[list[bytes], bytes]:
    """Properties and coded data of a file with one item, as Pillow and pillow-heif write it."""
    meta = _content(file, b"meta")[4:]
    properties = list(_boxes(_content(_content(meta, b"iprp"), b"ipco")))
    return [box(kind, content) for kind, content in properties], _content(file, b"mdat")


def container(
    brands: Sequence[bytes],
    pictures: Mapping[int, Picture],
    primary: int = 1,
    references: Iterable[tuple[bytes, int, Sequence[int]]] = (),
    reach: int = 0,
) -> bytes:
    """A file with items. Items with equal data share it; each has a stated length of at least `reach` bytes."""
    properties, payload, places = [], b"", {}
    associations = struct.pack(">I", len(pictures))
    for number, picture in pictures.items():
        for content in picture.properties:
            if content not in properties:
                properties.append(content)
        indices = [1 + properties.index(content) for content in picture.properties]
        associations += struct.pack(">HB", number, len(indices)) + bytes(
            index | 0x80 * (properties[index - 1][4:8] in (b"hvcC", b"av1C")) for index in indices
        )
        if picture.data not in places:
            places[picture.data] = len(payload)
            payload += picture.data
    entries = [
        full(b"infe", struct.pack(">HH4sB", number, 0, picture.kind, 0), version=2)
        for number, picture in pictures.items()
    ]
    linked = [
        box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to)) for kind, number, to in references
    ]
    head = ftyp(*brands)

    def meta(start: int) -> bytes:
        located = b"".join(
            struct.pack(">HHHII", number, 0, 1, start + places[picture.data], max(len(picture.data), reach))
            for number, picture in pictures.items()
        )
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", primary)),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(pictures)), located),
            full(b"iinf", struct.pack(">H", len(entries)), *entries),
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", associations)),
            full(b"iref", *linked),
        )

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", payload)


def _boxes(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def _content(data: bytes, wanted: bytes) -> bytes:
    return next(content for kind, content in _boxes(data) if kind == wanted)
