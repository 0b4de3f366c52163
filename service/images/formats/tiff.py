"""TIFF decoding: limits on strips and tiles (in libtiff's word "striles"), gray of any depth and both polarities.

Pillow and libtiff decode a copy of the file with a single new directory, which holds only the tags that describe
pixels. So both libraries get the same sizes, and neither parses further directories, metadata, or more strips and
tiles than the image has. The copy differs from the file as follows:

- Some samples become 8-bit gray, whose row is the bytes of a row of samples, and numpy unpacks them. These are gray of
  16 bits and of depths that Pillow does not read (3, 5 to 7, 9 to 15), and gray with further samples. They are also
  colours of 9 to 15 bits, and colours of 16 bits with more than one further sample. Compressions of samples (JPEG,
  WebP, fax) cannot be read in this way, and are not used for such samples.
- The orientation tag is dropped: `orientation.py` applies it.

Section numbers are those of TIFF 6.0 (Adobe, 1992).
"""

import itertools
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images import pillow
from service.images.errors import UndecodableImage
from service.images.formats import jpeg
from service.images.formats.tiff_directory import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    LONG,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    SHORT,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_LENGTH,
    TILE_OFFSETS,
    TILE_WIDTH,
    WIDTH,
    Directory,
    Field,
    directory,
    with_single_directory,
)

MAXIMUM_STRILES = 100_000
"""Maximum number of strips and tiles, counted in each plane. libtiff takes 2 us for each. Without compression, Pillow
takes 20 us for each: two seconds at most. A photo of 256 MP has 4,000 tiles of 256 x 256, or 48,000 strips of one row
in three planes."""

EXTRA_TILE_PIXELS = 1 << 22
"""Maximum number of pixels of a tile beyond the image's area, as in a tile of 2048 x 2048 with a thumbnail."""
PADDING = 4
"""Maximum number of pixels of all tiles, per pixel of the image: four for an image slightly larger than one tile."""

BLACK_IS_ZERO, RGB = 1, 2
WHITE_IS_ZERO = 0
SEPARATE_PLANES = 2
HORIZONTAL = 2
"""Horizontal predictor: each sample is stored as the difference from its left neighbour (section 14)."""
UNSIGNED, VOID = 1, 4
MAXIMUM_SAMPLES = 6
"""Samples of a pixel, as in Pillow: CMYK and two extra samples."""
MAXIMUM_BITS = 16
BYTEWISE_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""Compressions of bytes, not of samples: none, LZW, Deflate, PackBits, Deflate's old number, LZMA, Zstandard."""
PREDICTED_COMPRESSIONS = frozenset({5, 8, 32946, 34925, 50000})
"""Compressions for which libtiff has the tag Predictor: with other compressions it ignores the tag (tif_lzw.c,
tif_zip.c, tif_lzma.c and tif_zstd.c call TIFFPredictorInit)."""
OLD_JPEG_COMPRESSION = 6
"""JPEG of TIFF 6.0 (section 22), whose default is three samples a pixel."""
JPEG_COMPRESSION = 7
"""JPEG of TIFF Technical Note 2: each strip or tile is a separate JPEG."""
MAXIMUM_STRILE_OVERLAP = 2
"""Maximum bytes of all distinct strips or tiles, per byte of the file."""
PILLOW_GRAY_BITS = frozenset({1, 2, 4, 8})
"""Bits of gray samples that Pillow scales and inverts correctly."""
PILLOW_COLOUR_BITS = frozenset({8, 16})
"""Bits of RGB samples that Pillow decodes."""


class Samples(NamedTuple):
    """Sample format of a pixel."""

    number: int
    bits: int
    photometric: int
    compression: int
    separate_planes: bool

    @property
    def interleaved(self) -> int:
        """Number of interleaved samples of a pixel."""
        return 1 if self.separate_planes else self.number

    def __str__(self) -> str:
        return (
            f"{self.number} samples of {self.bits} bits a pixel, photometric interpretation {self.photometric}, "
            f"compression {self.compression}"
        )


class Striles(NamedTuple):
    """The strips or tiles that hold the pixels."""

    width: int
    length: int
    offsets: int
    """Tag with their offsets."""
    lengths: int
    """Tag with their lengths in bytes."""
    per_plane: int


def rgb(data: bytes) -> NDArray[np.uint8]:
    """Decode a TIFF's first image to (H, W, 3) uint8, RGB, not oriented, without alpha.

    Samples of more than 8 bits keep the highest 8; samples of fewer bits are scaled to 0 to 255. Raises
    UndecodableImage, also for samples in floating point, signed or of more than 16 bits, whose range is unknown.
    """
    try:
        found = directory(data)
        samples = _samples(found)
        striles = _striles(found, samples)
    except struct.error as error:
        raise UndecodableImage(f"The TIFF file is truncated ({len(data)} bytes).") from error
    if samples.compression == JPEG_COMPRESSION:
        _check_jpegs(data, found, striles)
    if _decodable_by_pillow(found, samples):
        with _open_image(data, found, _copied_tags(found, striles, samples)) as image:
            return pillow.to_rgb(image)
    return _unpacked(data, found, samples, striles)


def _samples(found: Directory) -> Samples:
    """Parse the sample format. Raises UndecodableImage if the range of samples is unknown."""
    bits = found.numbers(BITS, (1,))
    count = found.number(SAMPLES, 3 if found.number(COMPRESSION, 1) == OLD_JPEG_COMPRESSION else 1)
    formats = found.numbers(SAMPLE_FORMAT, (UNSIGNED,))
    if not set(formats) <= {UNSIGNED, VOID} or max(bits, default=0) > MAXIMUM_BITS:
        raise UndecodableImage(
            "The image holds signed, floating-point or 32-bit samples, whose range is unknown: send 8 or 16 bits."
        )
    if len(set(bits)) != 1 or bits[0] < 1 or not 1 <= count <= MAXIMUM_SAMPLES:
        raise UndecodableImage(
            f"The TIFF file has {count} samples of {bits} bits a pixel, which is not supported."
        )
    return Samples(
        count,
        bits[0],
        found.number(PHOTOMETRIC, WHITE_IS_ZERO),
        found.number(COMPRESSION, 1),
        count > 1 and found.number(PLANAR, 1) == SEPARATE_PLANES,
    )


def _striles(found: Directory, samples: Samples) -> Striles:
    """Parse the layout. Raises UndecodableImage if the cost of decoding is out of proportion to the image's area."""
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
    number = columns * rows * (samples.number if samples.separate_planes else 1)
    area = width * height
    if (
        number > MAXIMUM_STRILES
        or across * down > area + EXTRA_TILE_PIXELS
        or columns * rows * across * down > PADDING * area + EXTRA_TILE_PIXELS
    ):
        raise UndecodableImage(
            f"The TIFF file has {number} strips or tiles of {across} x {down} pixels for an image of "
            f"{width} x {height}: save it again, with strips."
        )
    return Striles(across, down, offsets, lengths, columns * rows)


def _decodable_by_pillow(found: Directory, samples: Samples) -> bool:
    """True if Pillow decodes such samples correctly, or if they are not supported here either.

    Without compression, Pillow reads 16 bits in separate planes as 8, and does not reverse the bits of every format.
    """
    reversed_bits = found.number(FILL_ORDER, 1) != 1
    if samples.compression not in BYTEWISE_COMPRESSIONS:
        return samples.bits <= 8
    if samples.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        return (
            samples.number == 1
            and samples.bits in PILLOW_GRAY_BITS
            and not (samples.bits == 8 and reversed_bits)
        )
    if samples.photometric == RGB:
        return (
            samples.bits in PILLOW_COLOUR_BITS
            and (samples.bits == 8 or samples.number <= 4)
            and not samples.separate_planes
            and not reversed_bits
        )
    return True


def _copied_tags(found: Directory, striles: Striles, samples: Samples) -> dict[int, Field]:
    """Tags of the copy, with the strips or tiles of the image alone."""
    number = striles.per_plane * (samples.number if samples.separate_planes else 1)
    return {
        tag: field._replace(values=field.values[:number])
        if tag in (striles.offsets, striles.lengths)
        else field
        for tag, field in found.fields.items()
        if tag not in (ORIENTATION, SAMPLE_FORMAT)
    }


@contextmanager
def _open_image(data: bytes, found: Directory, fields: Mapping[int, Field]) -> Iterator[Image.Image]:
    """Open the image with the tags `fields`, without Pillow's limit of 179 MP: this service has its own."""
    with pillow.open_image(with_single_directory(data, found.order, fields), "TIFF") as image:
        image.im = Image.new(image.mode, image.size, None).im
        yield image


def _check_jpegs(data: bytes, found: Directory, striles: Striles) -> None:
    """Raise UndecodableImage if a strip or tile is a JPEG of too many scans, or arithmetic-coded.

    Technical Note 2 expects baseline JPEG, and no writer of arithmetic coding is known. 16 kB of it, with 98 scans in
    each tile, took 8 s.
    """
    offsets, lengths = (found.fields.get(tag) for tag in (striles.offsets, striles.lengths))
    if offsets is None:
        return
    stated = np.zeros(len(offsets.values), np.int64)
    if lengths is not None:
        stated[: len(lengths.values)] = lengths.values[: len(stated)]
    room = MAXIMUM_STRILE_OVERLAP * len(data)
    for start, length in set(zip(offsets.values.tolist(), stated.tolist(), strict=True)):
        jpeg_data = data[start : start + length if length else len(data)]
        room -= len(jpeg_data)
        if room < 0:
            raise UndecodableImage("The TIFF file is damaged: its strips or tiles lie over one another.")
        parts = list(jpeg.segments(jpeg_data))
        if jpeg.is_arithmetic(parts):
            raise UndecodableImage(
                "The TIFF file holds a JPEG with arithmetic coding, which is not supported."
            )
        jpeg.check_scans(parts)


def _unpacked(data: bytes, found: Directory, samples: Samples, striles: Striles) -> NDArray[np.uint8]:
    """Decode gray or RGB of 1 to 16 bits, with or without extra samples, in strips or tiles, to (H, W, 3) uint8."""
    predictor = found.number(PREDICTOR, 1) if samples.compression in PREDICTED_COMPRESSIONS else 1
    colours = 3 if samples.photometric == RGB else 1
    if (
        samples.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
        or samples.compression not in BYTEWISE_COMPRESSIONS
        or samples.number < colours
        or (striles.width < found.size[0] and striles.width * samples.number * samples.bits % 8)
        or (predictor != 1 and (predictor != HORIZONTAL or samples.bits not in (8, MAXIMUM_BITS)))
    ):
        raise UndecodableImage(f"The TIFF file's variant is not supported: {samples}, predictor {predictor}.")
    width, height = found.size
    pixels = np.empty((height, width, 3), np.uint8)
    for plane in range(colours if samples.separate_planes else 1):
        before: NDArray[Any] | None = None
        for top, columns, stored in _blocks(data, found, samples, striles, plane):
            values = _samples_of(stored, found, samples, len(columns))
            if predictor == HORIZONTAL:
                before = _undo_predictor(values, columns.start, striles.width, before)
            levels = _to_8_bits(values, samples.bits)
            if samples.photometric == WHITE_IS_ZERO:
                np.bitwise_not(levels, out=levels)
            block = pixels[top : top + len(levels), columns.start : columns.stop]
            if samples.separate_planes and colours == 3:
                block[:, :, plane] = levels[:, :, 0]
            else:
                block[:] = levels[:, :, :colours]
    return pixels


def _blocks(
    data: bytes, found: Directory, samples: Samples, striles: Striles, plane: int
) -> Iterator[tuple[int, range, NDArray[np.uint8]]]:
    """Decompressed blocks of a plane: first row, columns, and (rows, bytes) uint8.

    A block has about pillow.STRIP_PIXELS samples, even where one row has more, since unpacking takes up to 160 bytes a
    sample. It starts at a whole byte.
    """
    interleaved = samples.interleaved
    width, height = found.size
    strile_bytes = _bytes(striles.width, interleaved, samples.bits)
    # The last tile of a row is complete; its bytes beyond the edge are not part of the image.
    row_bytes = _bytes(width, interleaved, samples.bits)
    tags = _copied_tags(found, striles, samples) | {
        WIDTH: _long(row_bytes),
        BITS: Field(SHORT, np.array([8])),
        SAMPLES: Field(SHORT, np.array([1])),
        PHOTOMETRIC: Field(SHORT, np.array([BLACK_IS_ZERO])),
        PREDICTOR: Field(SHORT, np.array([1])),
        PLANAR: Field(SHORT, np.array([1])),
    }
    if striles.offsets == TILE_OFFSETS:
        tags[TILE_WIDTH] = _long(strile_bytes)
    tags.pop(EXTRA_SAMPLES, None)
    first = plane * striles.per_plane
    for tag in {striles.offsets, striles.lengths} & tags.keys():
        tags[tag] = tags[tag]._replace(values=tags[tag].values[first : first + striles.per_plane])
    with _open_image(data, found, tags) as image:
        image.load()
        step = min(width, pillow.STRIP_PIXELS // interleaved // 8 * 8)
        rows = pillow.STRIP_PIXELS // (step * interleaved)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            for left in range(0, width, step):
                right = min(left + step, width)
                start, end = (_bytes(column, interleaved, samples.bits) for column in (left, right))
                yield top, range(left, right), np.asarray(image.crop((start, top, end, bottom)))


def _bytes(width: int, samples: int, bits: int) -> int:
    """Number of bytes of a row of samples."""
    return (width * samples * bits + 7) // 8


def _long(value: int) -> Field:
    return Field(LONG, np.array([value], np.uint32))


def _samples_of(
    stored: NDArray[np.uint8], found: Directory, samples: Samples, columns: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Unpack (rows, bytes) to (rows, columns, samples) of `bits` bits each."""
    values: NDArray[Any]
    if samples.bits == 8:
        values = stored.copy()
    elif samples.bits == MAXIMUM_BITS:
        values = stored.view(found.order + "u2").astype(np.uint16)
    else:
        values = _unpack_bits(stored, columns * samples.interleaved, samples.bits)
    return values.reshape(len(stored), columns, samples.interleaved)


def _undo_predictor(
    values: NDArray[Any], left: int, strile_width: int, before: NDArray[Any] | None
) -> NDArray[Any]:
    """Undo the predictor in (rows, columns, samples), in place, and return the last column, which the next block needs.

    `before` is the last column of the block at the left. It is ignored if a tile starts at column `left`.
    """
    if left % strile_width and before is not None:
        values[:, 0] += before
    columns = values.shape[1]
    starts = [0, *range(strile_width - left % strile_width, columns, strile_width), columns]
    for start, end in itertools.pairwise(starts):
        np.cumsum(values[:, start:end], axis=1, dtype=values.dtype, out=values[:, start:end])
    return values[:, -1].copy()


def _unpack_bits(stored: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint16]:
    """Unpack (rows, bytes) to (rows, count) of `bits` bits each, highest bit first in both byte orders (section 7)."""
    starts = np.arange(count) * bits
    at, shift = starts // 8, 24 - bits - starts % 8
    padded = np.pad(stored, ((0, 0), (0, 2)))
    # A sample of up to 15 bits lies in three bytes.
    three = (
        padded[:, at].astype(np.uint32) << 16 | padded[:, at + 1].astype(np.uint32) << 8 | padded[:, at + 2]
    )
    return (three >> shift.astype(np.uint32) & (1 << bits) - 1).astype(np.uint16)


def _to_8_bits(values: NDArray[np.uint8] | NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Scale samples of `bits` bits to 0 to 255."""
    if bits >= 8:
        return (values >> (bits - 8)).astype(np.uint8)
    highest = (1 << bits) - 1
    return ((values * np.uint16(255) + highest // 2) // highest).astype(np.uint8)


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, as stored. Raises UndecodableImage or struct.error."""
    return directory(data).size


def orientation(data: bytes) -> int:
    """Value of the orientation tag, not validated; 1 if there is none."""
    return directory(data).number(ORIENTATION, 1)
