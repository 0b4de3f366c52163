"""TIFF decoding: a bounded reader of the first directory (IFD), and gray samples of any depth and both polarities.

Pillow and libtiff decode, from a copy of the file whose one directory is written here and holds only the tags that
describe pixels. So both libraries see the same sizes, and neither walks over further directories, metadata, or more
strips and tiles than the image has. What is written down differently from the file:

- Gray of 16 bits and of depths that Pillow does not know (3, 5 to 7, 9 to 15), gray with alpha, and colours of 9 to
  15 bits become 8-bit gray whose row is the bytes of a row of samples; numpy unpacks them. No compression for
  photographs (JPEG, WebP, fax) can be read so, and none is used for such samples.
- Orientation is left out: `orientation.py` turns.

Section numbers are those of TIFF 6.0 (Adobe, 1992); BigTIFF is described in libtiff's documentation.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images import pillow
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
"""Tags that decoders need; all others are metadata."""

CHUNK_TAGS = frozenset({STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES})
MAXIMUM_VALUES = 4096
"""Values of any other tag. The largest that counts, JPEGTables, has at most 2,716 bytes; a palette has 768 numbers."""

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
"""Field type to numpy's name and how many of them are one value (a rational is two); section 2 and BigTIFF."""
SHORT, LONG = 3, 4
WIDE_TYPES = frozenset({16, 18})
"""BigTIFF's types of 64 bits, for which a file that fits into memory needs 32 only."""

MAXIMUM_CHUNKS = 100_000
"""Strips and tiles, planes counted one by one. libtiff takes 2 microseconds for each, Pillow 20 for each without
compression: two seconds at most. A photo of 256 MP has 4,000 tiles of 256 x 256, or 48,000 strips of one row in three
planes."""

SPARE_PIXELS = 1 << 22
"""A tile may have so many pixels more than its image, as one of 2048 x 2048 has around a thumbnail."""
PADDING = 4
"""All tiles together may have so many times the image's pixels: four where a corner reaches into each of four tiles."""

BLACK_IS_ZERO, RGB = 1, 2
WHITE_IS_ZERO = 0
PLANES_APART = 2
HORIZONTAL = 2
"""Predictor: each sample is stored as its difference from the one at its left (section 14)."""
UNSIGNED, VOID = 1, 4
MOST_SAMPLES = 6
"""Samples a pixel that Pillow knows: CMYK and two more."""
DEEPEST = 16
BYTEWISE_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, Deflate, PackBits, Deflate's first number, LZMA, Zstandard: they know bytes, not samples."""
PILLOWS_GRAY = frozenset({1, 2, 4, 8})
"""Bits of a gray sample that Pillow scales and inverts rightly itself."""
PILLOWS_COLOURS = frozenset({8, 16})

FIELD = {"<": struct.Struct("<HHI4s"), ">": struct.Struct(">HHI4s")}


class Field(NamedTuple):
    """A tag's type and values; a rational is two integers, strings and undefined data are bytes (uint8)."""

    type: int
    values: NDArray[Any]


class Directory(NamedTuple):
    """The first directory: the tags that describe pixels, and the orientation."""

    order: str
    """struct's and numpy's sign for the byte order."""
    fields: dict[int, Field]

    def number(self, tag: int, default: int | None = None) -> int:
        """A tag's only, or first, value. Raises UndecodableImage where it has none and there is no default."""
        field = self.fields.get(tag)
        if field is not None and len(field.values) and field.values.dtype.kind in "iu":
            return int(field.values[0])
        if default is None:
            raise UndecodableImage(f"The TIFF file is damaged or truncated: its tag {tag} is missing.")
        return default

    def numbers(self, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """All values of a tag that has few."""
        field = self.fields.get(tag)
        return default if field is None else tuple(int(value) for value in field.values[:DEEPEST])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as stored."""
        return self.number(WIDTH), self.number(LENGTH)


class Samples(NamedTuple):
    """What a pixel consists of."""

    number: int
    bits: int
    photometric: int
    compression: int
    planes_apart: bool

    def __str__(self) -> str:
        return (
            f"{self.number} samples of {self.bits} bits a pixel, photometric interpretation {self.photometric}, "
            f"compression {self.compression}"
        )


class Chunks(NamedTuple):
    """The strips or tiles that hold the pixels."""

    width: int
    length: int
    offsets: int
    """Tag of where they are."""
    lengths: int
    """Tag of how many bytes they have."""
    per_plane: int


def directory(data: bytes) -> Directory:
    """The first directory of a TIFF or BigTIFF; values that lie outside of the file are left out.

    Raises UndecodableImage where there is no directory, and struct.error where it ends early.
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
        if at + size <= len(data) and (values <= MAXIMUM_VALUES or tag in CHUNK_TAGS):
            fields[tag] = Field(kind, np.frombuffer(data, scalar, values * each, at))
    return Directory(order, fields)


def rgb(data: bytes) -> NDArray[np.uint8]:
    """A TIFF's first image to (H, W, 3) RGB of 8 bits, not turned, alpha dropped.

    Of more than 8 bits the highest 8 count, fewer are spread over 0 to 255. Raises UndecodableImage, also for samples
    in floating point, signed or of more than 16 bits, whose range is unknown.
    """
    try:
        found = directory(data)
        samples = _samples(found)
        chunks = _chunks(found, samples)
    except struct.error as error:
        raise UndecodableImage(f"The TIFF file is truncated ({len(data)} bytes).") from error
    if _is_pillows(found, samples):
        with _opened(data, found, _kept(found, chunks, samples)) as image:
            return pillow.to_rgb(image)
    return _unpacked(data, found, samples, chunks)


def _samples(found: Directory) -> Samples:
    """Raises UndecodableImage where their range is unknown."""
    bits = found.numbers(BITS, (1,))
    count = found.number(SAMPLES, 3 if found.number(COMPRESSION, 1) == 6 else 1)
    formats = found.numbers(SAMPLE_FORMAT, (UNSIGNED,))
    if not set(formats) <= {UNSIGNED, VOID} or max(bits, default=0) > DEEPEST:
        raise UndecodableImage(
            "The image holds signed, floating-point or 32-bit samples, whose range is unknown: send 8 or 16 bits."
        )
    if len(set(bits)) != 1 or bits[0] < 1 or not 1 <= count <= MOST_SAMPLES:
        raise UndecodableImage(
            f"The TIFF file has {count} samples of {bits} bits a pixel, which is not supported."
        )
    return Samples(
        count,
        bits[0],
        found.number(PHOTOMETRIC, WHITE_IS_ZERO),
        found.number(COMPRESSION, 1),
        count > 1 and found.number(PLANAR, 1) == PLANES_APART,
    )


def _chunks(found: Directory, samples: Samples) -> Chunks:
    """Raises UndecodableImage where decoding would take far more time or memory than the image's area."""
    width, height = found.size
    if STRIP_OFFSETS not in found.fields and TILE_OFFSETS in found.fields:
        across, down = found.number(TILE_WIDTH), found.number(TILE_LENGTH)
        offsets, lengths = TILE_OFFSETS, TILE_BYTES
    else:
        across, down = width, min(found.number(ROWS_PER_STRIP, height), height)
        offsets, lengths = STRIP_OFFSETS, STRIP_BYTES
    if min(across, down, width, height) < 1:
        raise UndecodableImage(
            f"The TIFF file is damaged: it has strips or tiles of {across} x {down} pixels."
        )
    columns, rows = -(-width // across), -(-height // down)
    number = columns * rows * (samples.number if samples.planes_apart else 1)
    area = width * height
    if (
        number > MAXIMUM_CHUNKS
        or across * down > area + SPARE_PIXELS
        or columns * rows * across * down > PADDING * area + SPARE_PIXELS
    ):
        raise UndecodableImage(
            f"The TIFF file has {number} strips or tiles of {across} x {down} pixels for an image of "
            f"{width} x {height}: save it again, with strips."
        )
    return Chunks(across, down, offsets, lengths, columns * rows)


def _is_pillows(found: Directory, samples: Samples) -> bool:
    """Whether Pillow decodes such samples rightly, or nothing here does.

    Without compression it takes 16 bits in planes for 8, and does not turn the bits of every kind around.
    """
    reversed_bits = found.number(FILL_ORDER, 1) != 1
    if samples.compression not in BYTEWISE_COMPRESSIONS:
        return samples.bits <= 8
    if samples.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        return (
            samples.number == 1 and samples.bits in PILLOWS_GRAY and not (samples.bits == 8 and reversed_bits)
        )
    if samples.photometric == RGB:
        return samples.bits in PILLOWS_COLOURS and not samples.planes_apart and not reversed_bits
    return True


def _kept(found: Directory, chunks: Chunks, samples: Samples) -> dict[int, Field]:
    """The tags for the copy: no more strips or tiles than there are."""
    number = chunks.per_plane * (samples.number if samples.planes_apart else 1)
    return {
        tag: field._replace(values=field.values[:number])
        if tag in (chunks.offsets, chunks.lengths)
        else field
        for tag, field in found.fields.items()
        if tag not in (ORIENTATION, SAMPLE_FORMAT)
    }


def _written(data: bytes, order: str, fields: Mapping[int, Field]) -> bytes:
    """The file with one directory at its end, as classic TIFF: all that was in it is where it was."""
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
    return b"".join([header, data[8:], b"\0" * (start - len(data)), table, *outside])


@contextmanager
def _opened(data: bytes, found: Directory, fields: Mapping[int, Field]) -> Iterator[Image.Image]:
    """The image as `fields` describe it, without Pillow's limit of 179 MP: this service has its own."""
    with pillow.opened(_written(data, found.order, fields), "TIFF") as image:
        image.im = Image.new(image.mode, image.size, None).im
        yield image


def _unpacked(data: bytes, found: Directory, samples: Samples, chunks: Chunks) -> NDArray[np.uint8]:
    """Gray or RGB, with or without alpha, of 1 to 16 bits, in strips or tiles."""
    predictor = found.number(PREDICTOR, 1)
    if (
        samples.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
        or samples.compression not in BYTEWISE_COMPRESSIONS
        or samples.number not in ((3, 4) if samples.photometric == RGB else (1, 2))
        or (chunks.width < found.size[0] and chunks.width * samples.number * samples.bits % 8)
        or (predictor != 1 and (predictor != HORIZONTAL or samples.bits not in (8, DEEPEST)))
    ):
        raise UndecodableImage(f"The TIFF file's variant is not supported: {samples}, predictor {predictor}.")
    width, height = found.size
    pixels = np.empty((height, width, 3), np.uint8)
    colours = 3 if samples.photometric == RGB else 1
    for plane in range(colours if samples.planes_apart else 1):
        for top, stored in _rows(data, found, samples, chunks, plane):
            levels = _levels(_samples_of(stored, found, samples, chunks), samples.bits)
            if samples.photometric == WHITE_IS_ZERO:
                np.bitwise_not(levels, out=levels)
            strip = pixels[top : top + len(levels)]
            if samples.planes_apart and colours == 3:
                strip[:, :, plane] = levels[:, :, 0]
            else:
                strip[:] = levels[:, :, :colours]
    return pixels


def _rows(
    data: bytes, found: Directory, samples: Samples, chunks: Chunks, plane: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Rows of bytes as stored in a plane, uncompressed, some at a time: the number of the first, and (rows, bytes)."""
    together = 1 if samples.planes_apart else samples.number
    width, height = found.size
    chunk_bytes = _bytes(chunks.width, together, samples.bits)
    # The last tile of a row holds a whole tile's bytes, of which those over the edge are none of the image's.
    row_bytes = _bytes(width, together, samples.bits)
    tags = _kept(found, chunks, samples) | {
        WIDTH: _long(row_bytes),
        BITS: Field(SHORT, np.array([8])),
        SAMPLES: Field(SHORT, np.array([1])),
        PHOTOMETRIC: Field(SHORT, np.array([BLACK_IS_ZERO])),
        PREDICTOR: Field(SHORT, np.array([1])),
        PLANAR: Field(SHORT, np.array([1])),
    }
    if chunks.offsets == TILE_OFFSETS:
        tags[TILE_WIDTH] = _long(chunk_bytes)
    tags.pop(EXTRA_SAMPLES, None)
    first = plane * chunks.per_plane
    for tag in {chunks.offsets, chunks.lengths} & tags.keys():
        tags[tag] = tags[tag]._replace(values=tags[tag].values[first : first + chunks.per_plane])
    with _opened(data, found, tags) as image:
        image.load()
        rows = max(1, pillow.STRIP_PIXELS // row_bytes)
        for top in range(0, height, rows):
            yield top, np.asarray(image.crop((0, top, row_bytes, min(top + rows, height))))


def _bytes(width: int, samples: int, bits: int) -> int:
    """Bytes of a row of samples."""
    return (width * samples * bits + 7) // 8


def _long(value: int) -> Field:
    return Field(LONG, np.array([value], np.uint32))


def _samples_of(
    stored: NDArray[np.uint8], found: Directory, samples: Samples, chunks: Chunks
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(rows, bytes) as stored to (rows, width, samples) of `bits` bits each."""
    width, _ = found.size
    together = 1 if samples.planes_apart else samples.number
    rows = len(stored)
    values: NDArray[Any]
    if samples.bits == 8:
        values = stored.copy()
    elif samples.bits == DEEPEST:
        values = stored.view(found.order + "u2").astype(np.uint16)
    else:
        values = _bits(stored, width * together, samples.bits)
    values = values.reshape(rows, width, together)
    if found.number(PREDICTOR, 1) == HORIZONTAL:
        for left in range(0, width, chunks.width):
            part = values[:, left : left + chunks.width]
            np.cumsum(part, axis=1, dtype=values.dtype, out=part)
    return values


def _bits(stored: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint16]:
    """(rows, bytes) to (rows, count) of `bits` bits each, highest bit first, whatever the byte order is (section 7)."""
    starts = np.arange(count) * bits
    at, shift = starts // 8, 24 - bits - starts % 8
    padded = np.pad(stored, ((0, 0), (0, 2)))
    # A sample of up to 15 bits lies in three bytes.
    three = (
        padded[:, at].astype(np.uint32) << 16 | padded[:, at + 1].astype(np.uint32) << 8 | padded[:, at + 2]
    )
    return (three >> shift.astype(np.uint32) & (1 << bits) - 1).astype(np.uint16)


def _levels(values: NDArray[np.uint8] | NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Samples of `bits` bits to 0 to 255."""
    if bits >= 8:
        return (values >> (bits - 8)).astype(np.uint8)
    highest = (1 << bits) - 1
    return ((values * np.uint16(255) + highest // 2) // highest).astype(np.uint8)


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, as stored. Raises UndecodableImage or struct.error."""
    return directory(data).size


def orientation(data: bytes) -> int:
    """The orientation tag as it stands; 1 where there is none."""
    return directory(data).number(ORIENTATION, 1)
