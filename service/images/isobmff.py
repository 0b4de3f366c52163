"""AVIF and HEIF among the files of the ISO base media format: told apart by content, and bounded before decoding.

A file says what it is by all its compatible brands (`ftyp`, ISO/IEC 14496-12, 4.3), of which the major one may be as
general as `mif1`. What decodes it follows from the coding of its primary item: Pillow (libavif) AV1, pillow-heif
(libheif) HEVC. Both libraries believe the container in part: libheif decodes a tile as often as grids name it, and
libavif scales a picture of 268 MP down to the 64 x 64 that the container states. Here both are counted first.

Numbers of items, references and locations are those of ISO/IEC 14496-12, 8.11; derived images (grid, overlay) those of
ISO/IEC 23008-12, 6.6.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images import av1, pillow
from service.images.errors import UndecodableImage

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
"""Format to the compatible brands of which its library asks for one: libavif 1.4 (avifFileTypeIsCompatible in read.c),
libheif 1.23 (tried, one by one)."""
BRAND = MappingProxyType({"AVIF": b"avif", "HEIF": b"heic"})
QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""First boxes of a QuickTime film from before `ftyp` (QuickTime File Format Specification, 2001)."""

LISTED = 1024
"""Bytes of compatible brands that count; a file lists some 40."""

CODINGS = {b"av01": "AVIF", b"hvc1": "HEIF"}
DERIVED = frozenset({b"grid", b"iovl", b"iden", b"tmap"})

SPARE_PIXELS = 1 << 22
OVERHEAD = 8
"""Most pixels to decode, per pixel of the image, and SPARE_PIXELS on top. The largest honest figure is about
four: a grid, its tiles with their margins, and an alpha plane."""
MAXIMUM_PICTURES = 4096
"""Coded pictures that one image may be put together from. libheif takes 0.2 ms for one of 64 x 64. A phone's 48 MP have
192 tiles of 512 x 512."""
MAXIMUM_DEPTH = 8
OVERLAP = 2
"""Most bytes of all pictures, per byte of the file: once as items, and once more as samples of a track."""
MAXIMUM_EXTENTS = 32
"""Pieces that an item's data may be in, as in libheif (heif_security_limits)."""


class Box(NamedTuple):
    """Type of a box, and where its content starts and ends."""

    type: bytes
    start: int
    end: int


class Item(NamedTuple):
    """An item of the container's `meta` box."""

    type: bytes
    area: int
    """Pixels by its `ispe` property; 0 where it has none."""
    parts: tuple[int, ...]
    """Items that a derived image is made of, each as often as it is named."""
    extents: tuple[tuple[int, int], ...]
    """Where its data is: offset in the file, and length."""


class Container(NamedTuple):
    """The pictures in a file."""

    primary: int
    items: dict[int, Item]
    alphas: tuple[int, ...]
    """Auxiliary images of the primary item, transparency among them."""


def format_of(data: bytes) -> str:
    """AVIF or HEIF, for a file that starts with `ftyp` or is a QuickTime film.

    Raises UndecodableImage for videos and all else without a still picture, and where decoding would cost far more than
    the image's area; struct.error or IndexError where the file ends early.
    """
    brands = _brands(data)
    container = _container(data)
    coding = _coding(container)
    if coding is None and not brands & PICTURE_BRANDS:
        named = ", ".join(sorted(repr(brand.decode("latin-1")) for brand in brands)[:8]) or "none"
        raise UndecodableImage(
            f"The file is a video, or of another kind without a photo that this service reads (brands: {named})."
        )
    kind = CODINGS.get(coding or b"", "AVIF" if brands & AVIF_BRANDS and coding is None else "HEIF")
    area = _track_area(data)
    if container is not None:
        _check_pictures(container, kind)
        area = max(area, container.items[container.primary].area)
    if kind == "AVIF":
        coded = (
            [item.extents for item in container.items.values() if item.type == b"av01"] if container else []
        )
        _check_frames(data, {*coded, _first_sample(data)}, area)
    return kind


def with_brand(data: bytes, kind: str) -> bytes:
    """The file with a compatible brand that the format's library accepts: in the place of the first, if it has none."""
    first = next(_boxes(data, 0, len(data)))
    listed = first.start + 8
    compatible = {data[at : at + 4] for at in range(listed, min(first.end, listed + LISTED), 4)}
    if first.type != b"ftyp" or first.end < listed + 4 or compatible & ACCEPTED[kind]:
        return data
    return data[:listed] + BRAND[kind] + data[listed + 4 :]


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[Image.Image]:
    """As `pillow.opened`."""
    with pillow.opened(with_brand(data, kind), kind) as image:
        yield image


def avif(data: bytes) -> NDArray[np.uint8]:
    """AVIF to (H, W, 3) RGB, not turned, alpha dropped. Raises UndecodableImage."""
    with opened(data, "AVIF") as image:
        return pillow.to_rgb(image)


def heif(data: bytes) -> NDArray[np.uint8]:
    """HEIF to (H, W, 3) RGB, turned by libheif as the container's boxes say. Raises UndecodableImage."""
    with opened(data, "HEIF") as image:
        return pillow.to_rgb(image)


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two bytes (ISO/IEC 14496-12, 4.2); one that reaches too far is the last, and cut."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        after = end if size == 0 else min(start + size, end)
        if after < content:
            return
        yield Box(kind, content, after)
        start = after


def _child(data: bytes, within: Box | None, *path: bytes) -> Box | None:
    """The first box at the end of a path of types; full boxes are stepped into by callers."""
    for kind in path:
        if within is None:
            return None
        within = next((box for box in _boxes(data, within.start, within.end) if box.type == kind), None)
    return within


def _file(data: bytes) -> Box:
    return Box(b"", 0, len(data))


def _brands(data: bytes) -> frozenset[bytes]:
    """Major and compatible brands; none for a film from before `ftyp`."""
    first = next(_boxes(data, 0, len(data)), None)
    if first is None or first.type != b"ftyp":
        return frozenset()
    listed = first.start + 8
    places = (first.start, *range(listed, min(first.end, listed + LISTED), 4))
    return frozenset(data[at : at + 4] for at in places)


def _coding(container: Container | None) -> bytes | None:
    """The type of what the primary item is made of in the end."""
    if container is None:
        return None
    item = container.items[container.primary]
    for _ in range(MAXIMUM_DEPTH):
        if item.type not in DERIVED or not item.parts or item.parts[0] not in container.items:
            break
        item = container.items[item.parts[0]]
    return item.type


def _check_pictures(container: Container, kind: str) -> None:
    """Raises UndecodableImage where more has to be decoded than the image's area lets expect."""
    known: dict[int, tuple[int, int]] = {}
    costs = [_cost(container.items, item, 0, known) for item in (container.primary, *container.alphas)]
    pictures, pixels = (sum(part) for part in zip(*costs, strict=True))
    area = container.items[container.primary].area
    if pictures > MAXIMUM_PICTURES or pixels > OVERHEAD * area + SPARE_PIXELS:
        raise UndecodableImage(
            f"The {kind} file puts {pictures} pictures of {pixels} pixels together for an image of {area} pixels."
        )


def _cost(
    items: dict[int, Item], number: int, depth: int, known: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """Coded pictures that an item is made of, and all pixels on the way, each as often as it is decoded."""
    item = items.get(number)
    if item is None:
        return 0, 0
    if depth > MAXIMUM_DEPTH:
        raise UndecodableImage("The file's pictures are made of one another without end.")
    if number not in known:
        pictures, pixels = (0 if item.type in DERIVED else 1), item.area
        for part, times in Counter(item.parts if item.type in DERIVED else ()).items():
            more, larger = _cost(items, part, depth + 1, known)
            pictures, pixels = pictures + times * more, pixels + times * larger
        known[number] = pictures, pixels
    return known[number]


def _container(data: bytes) -> Container | None:
    """The `meta` box, where there is one with a primary item. Raises struct.error where it ends early."""
    meta = _child(data, _file(data), b"meta")
    if meta is None:
        return None
    within = Box(b"meta", meta.start + 4, meta.end)
    found = {box.type: box for box in reversed(list(_boxes(data, within.start, within.end)))}
    if b"pitm" not in found or b"iinf" not in found:
        return None
    version = data[found[b"pitm"].start]
    (primary,) = struct.unpack_from(">I" if version else ">H", data, found[b"pitm"].start + 4)
    types = _types(data, found[b"iinf"])
    areas = _areas(data, found.get(b"iprp"))
    parts, alphas = _references(data, found.get(b"iref"), primary)
    extents = _extents(data, found.get(b"iloc"), found.get(b"idat"))
    items = {
        number: Item(kind, areas.get(number, 0), tuple(parts.get(number, ())), extents.get(number, ()))
        for number, kind in types.items()
    }
    return Container(primary, items, alphas) if primary in items else None


def _types(data: bytes, iinf: Box) -> dict[int, bytes]:
    """Item to type (`infe` of version 2 and 3)."""
    types: dict[int, bytes] = {}
    entries = iinf.start + (8 if data[iinf.start] else 6)
    for entry in _boxes(data, entries, iinf.end):
        version = data[entry.start]
        if entry.type == b"infe" and version in (2, 3):
            layout = struct.Struct(">HH4s" if version == 2 else ">IH4s")
            number, _, kind = layout.unpack_from(data, entry.start + 4)
            types.setdefault(number, kind)
    return types


def _areas(data: bytes, iprp: Box | None) -> dict[int, int]:
    """Item to pixels by its `ispe` property, of which it has one."""
    properties = _child(data, iprp, b"ipco")
    if iprp is None or properties is None:
        return {}
    sizes: list[int] = []
    for box in _boxes(data, properties.start, properties.end):
        width, height = struct.unpack_from(">II", data, box.start + 4) if box.type == b"ispe" else (0, 0)
        sizes.append(width * height)
    areas: dict[int, int] = {}
    for box in _boxes(data, iprp.start, iprp.end):
        if box.type != b"ipma":
            continue
        version, wide = data[box.start], data[box.start + 3] & 1
        (count,) = struct.unpack_from(">I", data, box.start + 4)
        at = box.start + 8
        for _ in range(min(count, (box.end - at) // 3)):
            (number,) = struct.unpack_from(">H" if version < 1 else ">I", data, at)
            at += 2 if version < 1 else 4
            associations = data[at]
            at += 1
            for _ in range(associations):
                index = struct.unpack_from(">H", data, at)[0] & 0x7FFF if wide else data[at] & 0x7F
                at += 1 + wide
                area = sizes[index - 1] if 0 < index <= len(sizes) else 0
                if area and areas.setdefault(number, area) != area:
                    raise UndecodableImage("The file gives one of its pictures two sizes.")
    return areas


def _references(
    data: bytes, iref: Box | None, primary: int
) -> tuple[Mapping[int, Sequence[int]], tuple[int, ...]]:
    """Derived image to its parts (`dimg`), and the auxiliary images of the primary item (`auxl`)."""
    parts: defaultdict[int, list[int]] = defaultdict(list)
    alphas: set[int] = set()
    if iref is None:
        return parts, ()
    one = "I" if data[iref.start] else "H"
    for box in _boxes(data, iref.start + 4, iref.end):
        number, count = struct.unpack_from(f">{one}H", data, box.start)
        others = struct.unpack_from(f">{count}{one}", data, box.start + struct.calcsize(f">{one}H"))
        if box.type == b"dimg":
            parts[number] += others
        elif box.type == b"auxl" and primary in others:
            alphas.add(number)
    return parts, tuple(sorted(alphas))


def _extents(data: bytes, iloc: Box | None, idat: Box | None) -> dict[int, tuple[tuple[int, int], ...]]:
    """Item to where its data is in the file."""
    if iloc is None:
        return {}
    version = data[iloc.start]
    sizes = data[iloc.start + 4 : iloc.start + 6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version in (1, 2) else 0
    at = iloc.start + 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > iloc.end:
            raise struct.error("the box iloc ends early")
        at += size
        return int.from_bytes(data[at - size : at], "big")

    identifier_size = 4 if version == 2 else 2
    extents: dict[int, tuple[tuple[int, int], ...]] = {}
    for _ in range(number(identifier_size)):
        item = number(identifier_size)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)  # which file: this one
        base = number(base_size) + (idat.start if method == 1 and idat else 0)
        located = []
        for _ in range(number(2)):
            number(index_size)
            located.append((base + number(offset_size), number(length_size) or len(data)))
        extents.setdefault(item, tuple(located))
    return extents


def _track(data: bytes) -> Box | None:
    return _child(data, _file(data), b"moov", b"trak")


def _track_area(data: bytes) -> int:
    """Pixels of the first track's frames (`tkhd`, whose last eight bytes are its size in 16.16 fixed point)."""
    header = _child(data, _track(data), b"tkhd")
    if header is None or header.end - header.start < 84:
        return 0
    width, height = struct.unpack_from(">II", data, header.end - 8)
    return int(width >> 16) * int(height >> 16)


def _first_sample(data: bytes) -> tuple[tuple[int, int], ...]:
    """Where the first track's first sample is: its chunk's offset, and its length (`stsz`)."""
    tables = _child(data, _track(data), b"mdia", b"minf", b"stbl")
    lengths = _child(data, tables, b"stsz")
    for kind, layout in ((b"stco", ">I"), (b"co64", ">Q")):
        offsets = _child(data, tables, kind)
        if offsets is not None and lengths is not None:
            (start,) = struct.unpack_from(layout, data, offsets.start + 8)
            same, _, first = struct.unpack_from(">III", data + b"\0\0\0\0", lengths.start + 4)
            return ((start, same or first),)
    return ()


def _check_frames(data: bytes, pictures: Iterable[tuple[tuple[int, int], ...]], area: int) -> None:
    """Raises UndecodableImage where AV1 frames are far larger than the container says."""
    coded, room = [], OVERLAP * len(data)
    for extents in pictures:
        units = b"".join(data[start : start + length] for start, length in extents[:MAXIMUM_EXTENTS])
        coded.append(units)
        room -= len(units)
        if room < 0 or len(extents) > MAXIMUM_EXTENTS:
            raise UndecodableImage("The AVIF file is damaged: its pictures lie over one another.")
    largest = max((pixels for units in coded for pixels in av1.frame_areas(units)), default=0)
    if largest > OVERHEAD * area + SPARE_PIXELS:
        raise UndecodableImage(f"The AVIF file says {area} pixels, and its frames have up to {largest}.")
