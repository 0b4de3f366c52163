"""AVIF and HEIF: format detection, limits on the cost of decoding, and decoding.

The brands of a file (`ftyp`) do not determine its format: the major brand may be as general as `mif1`. The coding of
the primary item does: Pillow (libavif) decodes AV1, pillow-heif (libheif) HEVC. Both libraries trust the container in
part. libheif decodes a tile as often as grids reference it. libavif scales a picture of 268 MP down to the 64 x 64 of
the container. So both costs are computed before decoding.

Derived images (grid, overlay) are those of ISO/IEC 23008-12, 6.6; `isobmff_boxes.py` reads the container.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images import pillow
from service.images.errors import UndecodableImage
from service.images.formats import av1
from service.images.formats.isobmff_boxes import (
    LISTED_BYTES,
    Container,
    Extents,
    Item,
    boxes,
    brands,
    container,
    first_samples,
)

AVIF_BRANDS = frozenset({b"avif", b"avis", b"avio", b"MA1A", b"MA1B"})
PICTURE_BRANDS = AVIF_BRANDS | {
    *(b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"1pic"),
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"MiHA", b"MiHB", b"MiHE", b"MiAn", b"MiBu", b"MiPr"),
    *(b"jpeg", b"jpgs", b"avci", b"avcs", b"j2ki", b"j2is", b"vvic", b"vvis", b"evbi", b"unif", b"tmap"),
}
ACCEPTED = MappingProxyType(
    {"AVIF": frozenset({b"avif", b"avis"}), "HEIF": frozenset({b"heic", b"heix", b"mif1", b"avif", b"jpeg"})}
)
"""Format to the compatible brands of which its library requires one: libavif 1.4 (avifFileTypeIsCompatible in read.c),
libheif 1.23 (determined by trials)."""
BRAND = MappingProxyType({"AVIF": b"avif", "HEIF": b"heic"})
QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""First boxes of a QuickTime film without `ftyp` (QuickTime File Format Specification, 2001)."""

CODINGS = {b"av01": "AVIF", b"hvc1": "HEIF"}
DERIVED = frozenset({b"grid", b"iovl", b"iden", b"tmap"})

EXTRA_PIXELS = 1 << 22
OVERHEAD = 8
"""Maximum number of pixels to decode, per pixel of the image, with EXTRA_PIXELS in addition. Valid files need up to
about four: a grid, its tiles with their margins, and an alpha plane."""
FRAME_OVERHEAD = 2
"""As OVERHEAD, for one AV1 frame of the image: no frame or tile is larger, except the tile of a thumbnail. To scale a
frame down, libavif holds all of it in memory. A frame of 74 MP took 375 MB for an image of 8.8 MP, whose budget is
156 MB."""
MAXIMUM_PICTURES = 4096
"""Maximum number of coded pictures in one image. libheif takes 0.2 ms for a picture of 64 x 64. A phone's 48 MP have
192 tiles of 512 x 512."""
MAXIMUM_DEPTH = 8
"""Maximum number of levels of derived images."""
MAXIMUM_PICTURE_OVERLAP = 2
"""Maximum bytes of all pictures, per byte of the file: once as items, and once as samples of a track. Each counts as
often as a grid references it: a tile of 960 kB, referenced 56 times, took 3.6 s."""

OUT_OF_MEMORY = ("Out of memory", "bytes failed")
"""Parts of error texts of libavif and libheif; libheif's "Security limit exceeded" is a fault of the file."""
PEAK_PER_PIXEL = 21
"""Peak memory of decoding in bytes: 10 bits with alpha and without subsampling (PEAK_PER_BYTE["HEIF"])."""
PEAK_OF_THREADS = 16 << 20
"""Bytes of address space that decoding takes independent of the area: a thread's stack of 8 MiB, and buffers."""
EXTRA_BYTES = 1 << 20
"""Bytes in addition to MAXIMUM_PICTURE_OVERLAP, for blank tiles that a grid references often; a megabyte of HEVC
takes 0.06 s."""


class Cost(NamedTuple):
    """Cost of decoding an item: coded pictures, pixels including intermediate ones, and bytes of coded data."""

    pictures: int
    pixels: int
    size: int


def header(data: bytes) -> tuple[int, int, str]:
    """Parse the header: width and height in pixels as reported by the library, and AVIF or HEIF.

    Raises UndecodableImage for videos and other files without a still picture, and if the cost of decoding is out of
    proportion to the image's area. Raises struct.error or IndexError if the file ends early.
    """
    named, found = brands(data), container(data)
    coding = _coding(found)
    if coding is None and not named & PICTURE_BRANDS:
        listed = ", ".join(sorted(repr(brand.decode("latin-1")) for brand in named)[:8]) or "none"
        raise UndecodableImage(
            f"The file is a video, or of another kind without a photo that this service reads (brands: {listed})."
        )
    kind = CODINGS.get(coding or b"", "AVIF" if named & AVIF_BRANDS and coding is None else "HEIF")
    items = found.items if found else {}
    decoded = _check_pictures(data, found, kind) if found else frozenset()
    pictures: dict[Extents, int] = {}
    if kind == "AVIF":
        pictures = {
            item.extents: FRAME_OVERHEAD if number in decoded else OVERHEAD
            for number, item in sorted(items.items(), key=lambda each: each[0] in decoded)
            if item.type == b"av01"
        } | dict.fromkeys(first_samples(data), FRAME_OVERHEAD)
        _check_overlap(data, pictures)
    with open_image(data, kind) as image:
        width, height = image.size
    _check_frames(data, pictures, width * height)
    return width, height, kind


def with_accepted_brand(data: bytes, kind: str) -> bytes:
    """The file, with its first compatible brand replaced unless one of them is accepted by the format's library."""
    first = next(boxes(data, 0, len(data)))
    listed = first.start + 8
    compatible = {data[at : at + 4] for at in range(listed, min(first.end, listed + LISTED_BYTES), 4)}
    if first.type != b"ftyp" or first.end < listed + 4 or compatible & ACCEPTED[kind]:
        return data
    whole = memoryview(data)
    return b"".join((whole[:listed], BRAND[kind], whole[listed + 4 :]))


@contextmanager
def open_image(data: bytes, kind: str) -> Iterator[Image.Image]:
    """As `pillow.open_image`, with a brand that the library accepts."""
    with pillow.open_image(with_accepted_brand(data, kind), kind) as image:
        yield image


def avif(data: bytes) -> NDArray[np.uint8]:
    """Decode an AVIF to (H, W, 3) RGB, not oriented, without alpha. Raises UndecodableImage or MemoryError."""
    return _rgb(data, "AVIF")


def heif(data: bytes) -> NDArray[np.uint8]:
    """Decode a HEIF to (H, W, 3) RGB, oriented by libheif with the container's boxes.

    Raises UndecodableImage or MemoryError.
    """
    return _rgb(data, "HEIF")


def _rgb(data: bytes, kind: str) -> NDArray[np.uint8]:
    """Decode. Raises MemoryError if the peak memory cannot be allocated, before decoding or after a failure.

    libavif, libheif and their decoders report most failed allocations as damage, and crash after others.
    """
    with open_image(data, kind) as image:
        width, height = image.size
        peak = PEAK_PER_PIXEL * width * height + PEAK_OF_THREADS
        pillow.check_allocation(peak)
        try:
            return pillow.to_rgb(image)
        except Exception as error:  # Pillow raises nearly every built-in exception
            if any(sign in str(error) for sign in OUT_OF_MEMORY):
                raise MemoryError(f"no memory to decode the {kind} file") from error
            pillow.check_allocation(peak)  # another process may have taken the memory
            raise


def _coding(found: Container | None) -> bytes | None:
    """Type of the primary item; of a derived one, type of its first input."""
    if found is None:
        return None
    item = found.items[found.primary]
    for _ in range(MAXIMUM_DEPTH):
        if item.type not in DERIVED or not item.parts or item.parts[0] not in found.items:
            break
        item = found.items[item.parts[0]]
    return item.type


def _check_pictures(data: bytes, found: Container, kind: str) -> Collection[int]:
    """Items that are decoded for the image. Raises UndecodableImage if their cost exceeds the limits."""
    known: dict[int, Cost] = {}
    costs = [_cost(found.items, item, 0, known) for item in (found.primary, *found.auxiliaries)]
    pictures, pixels, size = (sum(part) for part in zip(*costs, strict=True))
    area = found.items[found.primary].area
    if pictures > MAXIMUM_PICTURES or pixels > OVERHEAD * area + EXTRA_PIXELS:
        raise UndecodableImage(
            f"The {kind} file puts {pictures} pictures of {pixels} pixels together for an image of {area} pixels."
        )
    if size > MAXIMUM_PICTURE_OVERLAP * len(data) + EXTRA_BYTES:
        raise UndecodableImage(
            f"The {kind} file puts {size} bytes of pictures together, and has {len(data)}."
        )
    return known.keys()


def _cost(items: Mapping[int, Item], number: int, depth: int, known: dict[int, Cost]) -> Cost:
    """Cost of decoding an item, with each part as often as it is referenced."""
    item = items.get(number)
    if item is None:
        return Cost(0, 0, 0)
    if depth > MAXIMUM_DEPTH:
        raise UndecodableImage("The file's pictures are made of one another without end.")
    if number not in known:
        derived = item.type in DERIVED
        pictures, pixels, size = int(not derived), item.area, item.size
        for part, times in Counter(item.parts if derived else ()).items():
            more = _cost(items, part, depth + 1, known)
            pictures += times * more.pictures
            pixels += times * more.pixels
            size += times * more.size
        known[number] = Cost(pictures, pixels, size)
    return known[number]


def _check_overlap(data: bytes, pictures: Iterable[Extents]) -> None:
    """Raise UndecodableImage if data of pictures overlaps. Checked before any copy: extents may repeat all bytes."""
    stated = sum(length for extents in pictures for _, length in extents)
    if stated > MAXIMUM_PICTURE_OVERLAP * len(data):
        raise UndecodableImage("The AVIF file is damaged: its pictures lie over one another.")


def _check_frames(data: bytes, pictures: Mapping[Extents, int], area: int) -> None:
    """Raise UndecodableImage if an AV1 frame has more pixels than its overhead allows for `area`."""
    for extents, overhead in pictures.items():
        largest = max(av1.frame_areas(_joined(data, extents)), default=0)
        if largest > overhead * area + EXTRA_PIXELS:
            raise UndecodableImage(
                f"The AVIF file states {area} pixels, and its frames have up to {largest}."
            )


def _joined(data: bytes, extents: Extents) -> bytes:
    whole = memoryview(data)
    return b"".join(whole[start : start + length] for start, length in extents)
