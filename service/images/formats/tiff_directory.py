"""The first directory (IFD) of a TIFF or BigTIFF: a bounded parser, and a writer for Pillow and libtiff.

Section numbers are those of TIFF 6.0 (Adobe, 1992); BigTIFF is described in libtiff's documentation.
"""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.images.errors import UndecodableImage

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES = 317, 322, 323, 324, 325
ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT = 274, 338, 339

PIXEL_TAGS = frozenset(
    {
        *(WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP),
        *(STRIP_BYTES, PLANAR, PREDICTOR, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES),
        *(EXTRA_SAMPLES, SAMPLE_FORMAT),
        *(292, 293),  # options of fax compression, section 11
        320,  # ColorMap
        347,  # JPEGTables
        *range(512, 522),  # JPEG of TIFF 6.0, section 22
        *(529, 530, 531, 532),  # YCbCr, section 21
    }
)
"""Tags that describe pixels; all others are metadata."""

STRILE_TAGS = frozenset({STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES})
MAXIMUM_VALUES = 4096
"""Maximum number of values of any other tag. The largest valid one, JPEGTables, has at most 2,716 bytes; a palette has
768 numbers."""

TYPES: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        1: ("u1", 1),
        2: ("u1", 1),
        3: ("u2", 1),
        4: ("u4", 1),
        5: ("u4", 2),
        6: ("i1", 1),
        7: ("u1", 1),
        8: ("i2", 1),
        9: ("i4", 1),
        10: ("i4", 2),
        11: ("f4", 1),
        12: ("f8", 1),
        13: ("u4", 1),
        16: ("u8", 1),
        17: ("i8", 1),
        18: ("u8", 1),
    }
)
"""Field type to numpy's type and its number in one value (a rational is two); section 2 and BigTIFF."""
SHORT, LONG = 3, 4
WIDE_TYPES = frozenset({16, 18})
"""BigTIFF's types of 64 bits; 32 bits suffice for a file that fits into memory."""
MAXIMUM_NUMBERS = 16
"""Maximum number of values that `Directory.numbers` returns: a pixel has fewer samples."""

FIELD = {"<": struct.Struct("<HHI4s"), ">": struct.Struct(">HHI4s")}


class Field(NamedTuple):
    """Type and values of a tag; a rational is two integers, strings and undefined data are bytes (uint8)."""

    type: int
    values: NDArray[Any]


class Directory(NamedTuple):
    """The first directory: the tags that describe pixels, and the orientation."""

    order: str
    """Byte order as the prefix of struct and numpy, "<" or ">"."""
    fields: dict[int, Field]

    def number(self, tag: int, default: int | None = None) -> int:
        """First value of a tag. Raises UndecodableImage if the tag is missing and there is no default."""
        field = self.fields.get(tag)
        if field is not None and len(field.values) and field.values.dtype.kind in "iu":
            return int(field.values[0])
        if default is None:
            raise UndecodableImage(f"The TIFF file is damaged or truncated: its tag {tag} is missing.")
        return default

    def numbers(self, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """Values of a tag, at most MAXIMUM_NUMBERS. Raises UndecodableImage if they are not integers."""
        field = self.fields.get(tag)
        if field is None:
            return default
        if field.values.dtype.kind not in "iu":
            raise UndecodableImage(f"The TIFF file is damaged: its tag {tag} holds no integers.")
        return tuple(int(value) for value in field.values[:MAXIMUM_NUMBERS])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as stored."""
        return self.number(WIDTH), self.number(LENGTH)


def directory(data: bytes) -> Directory:
    """Parse the first directory of a TIFF or BigTIFF; tags whose values exceed the file are skipped.

    Raises UndecodableImage if there is no directory, and struct.error if it ends early.
    """
    order = "<" if data.startswith(b"II") else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    entry = np.dtype(
        [
            *(("tag", order + "u2"), ("type", order + "u2")),
            *(("count", order + ("u8" if big else "u4")), ("value", "V8" if big else "V4")),
        ]
    )
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    if start >= len(data):
        raise UndecodableImage(f"The TIFF file is truncated: its directory is at byte {start}.")
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    first = start + (8 if big else 2)
    if count > (len(data) - first) // entry.itemsize:
        raise UndecodableImage(f"The TIFF file is truncated: its directory has {count} entries.")
    fields: dict[int, Field] = {}
    entries = np.frombuffer(data, entry, count, first)
    wanted = np.flatnonzero(np.isin(entries["tag"], [*PIXEL_TAGS, ORIENTATION]))
    for index in wanted.tolist():
        tag, kind, values = (int(entries[name][index]) for name in ("tag", "type", "count"))
        if tag in fields or kind not in TYPES:
            continue
        name, each = TYPES[kind]
        scalar = np.dtype(order + name)
        size = values * each * scalar.itemsize
        at = first + index * entry.itemsize + (12 if big else 8)
        if size > entry["value"].itemsize:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
        if at + size <= len(data) and (values <= MAXIMUM_VALUES or tag in STRILE_TAGS):
            fields[tag] = Field(kind, np.frombuffer(data, scalar, values * each, at))
    return Directory(order, fields)


def with_single_directory(data: bytes, order: str, fields: Mapping[int, Field]) -> bytes:
    """The file as classic TIFF with a single directory at its end; all other content keeps its offset."""
    start = len(data) + len(data) % 2
    entries, outside = [], []
    after = start + 2 + FIELD[order].size * len(fields) + 4
    for tag, field in sorted(fields.items()):
        kind, values = (LONG, field.values.astype("u4")) if field.type in WIDE_TYPES else field
        name, each = TYPES[kind]
        content = values.astype(order + name).tobytes()
        count = len(values) // each
        if len(content) > 4:
            content += b"\0" * (len(content) % 2)
            outside.append(content)
            content, after = struct.pack(order + "I", after), after + len(content)
        entries.append(FIELD[order].pack(tag, kind, count, content))
    header = data[:2] + struct.pack(order + "HI", 42, start)
    table = struct.pack(order + "H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return b"".join([header, memoryview(data)[8:], b"\0" * (start - len(data)), table, *outside])
