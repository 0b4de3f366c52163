"""Bounded parser of the container of AVIF and HEIF: boxes, items, references, locations and tracks.

Section numbers without a name are those of ISO/IEC 14496-12. Nothing is decoded here. All functions raise struct.error
or IndexError if the file ends early, and UndecodableImage if a table exceeds its limit.
"""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from service.images.errors import UndecodableImage

LISTED_BYTES = 1024
"""Maximum bytes of compatible brands that are read; files list some 40 bytes."""
MAXIMUM_BOXES = 20_000
"""Maximum number of sibling boxes, as in libheif (heif_security_limits, max_children_per_box). Each takes 1 us here."""
MAXIMUM_TABLE = 1 << 20
"""Maximum bytes of a table of items (`iinf`, `iloc`, `ipma`, `iref`). 4,096 tiles take 90 kB in each table; 1 MiB takes
0.5 s."""
MAXIMUM_EXTENTS = 32
"""Maximum number of extents of an item's data, as in libheif (heif_security_limits, max_iloc_extents_per_item)."""

CODED = frozenset({b"av01", b"hvc1"})
"""Types of items whose extents are read."""
Extents = tuple[tuple[int, int], ...]
"""Extents of an item's data: offset in the file and length, in bytes. All lie within the file."""


class Box(NamedTuple):
    """A box: its type, and the range of its content in bytes, end exclusive."""

    type: bytes
    start: int
    end: int


class Item(NamedTuple):
    """An item of the container's `meta` box."""

    type: bytes
    area: int
    """Area in pixels by its `ispe` property; 0 if it has none."""
    parts: tuple[int, ...]
    """Input items of a derived image, with repetitions."""
    extents: Extents
    """Empty for all codings but AV1 and HEVC."""

    @property
    def size(self) -> int:
        """Size of its data in bytes."""
        return sum(length for _, length in self.extents)


class Container(NamedTuple):
    """The `meta` box: its items, the number of the primary item, and the auxiliary images of that item."""

    primary: int
    items: dict[int, Item]
    auxiliaries: tuple[int, ...]
    """Item numbers: alpha and depth, of which libraries decode alpha."""


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Boxes in a range of bytes (4.2). A box that exceeds the range is the last one, and cut."""
    number = 0
    while start + 8 <= end:
        number += 1
        if number > MAXIMUM_BOXES:
            raise UndecodableImage(f"The file has more than {MAXIMUM_BOXES} sibling boxes.")
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


def brands(data: bytes) -> frozenset[bytes]:
    """Major and compatible brands (`ftyp`, 4.3); empty for a QuickTime film without `ftyp`."""
    first = next(boxes(data, 0, len(data)), None)
    if first is None or first.type != b"ftyp":
        return frozenset()
    listed = first.start + 8
    places = (first.start, *range(listed, min(first.end, listed + LISTED_BYTES), 4))
    return frozenset(data[at : at + 4] for at in places)


def container(data: bytes) -> Container | None:
    """Parse the `meta` box (8.11.1); None if there is none, or none with a primary item."""
    meta = _child(data, _file(data), b"meta")
    if meta is None:
        return None
    found = {box.type: box for box in reversed(list(boxes(data, meta.start + 4, meta.end)))}
    if b"pitm" not in found or b"iinf" not in found:
        return None
    version = data[found[b"pitm"].start]
    (primary,) = struct.unpack_from(">I" if version else ">H", data, found[b"pitm"].start + 4)
    types = _types(data, found[b"iinf"])
    areas = _areas(data, found.get(b"iprp"))
    parts, auxiliaries = _references(data, found.get(b"iref"), primary)
    coded = {number for number, kind in types.items() if kind in CODED}
    extents = _extents(data, found.get(b"iloc"), found.get(b"idat"), coded)
    items = {
        number: Item(kind, areas.get(number, 0), tuple(parts.get(number, ())), extents.get(number, ()))
        for number, kind in types.items()
    }
    return Container(primary, items, auxiliaries) if primary in items else None


def first_samples(data: bytes) -> Iterator[Extents]:
    """Extent of the first sample of each track (8.7): offset of its first chunk (`stco`, `co64`), length (`stsz`)."""
    film = _child(data, _file(data), b"moov")
    for track in boxes(data, film.start, film.end) if film else ():
        tables = _child(data, track, b"mdia", b"minf", b"stbl") if track.type == b"trak" else None
        lengths = _child(data, tables, b"stsz")
        if tables is None or lengths is None:
            continue
        same, _, first = struct.unpack(">III", data[lengths.start + 4 : lengths.start + 16].ljust(12, b"\0"))
        for table in boxes(data, tables.start, tables.end):
            if table.type in (b"stco", b"co64"):
                (start,) = struct.unpack_from(">I" if table.type == b"stco" else ">Q", data, table.start + 8)
                yield (_within(data, start, same or first),)


def _child(data: bytes, within: Box | None, *path: bytes) -> Box | None:
    """First box at a path of types; callers skip the version and flags of full boxes."""
    for kind in path:
        if within is None:
            return None
        within = next((box for box in boxes(data, within.start, within.end) if box.type == kind), None)
    return within


def _within(data: bytes, start: int, length: int) -> tuple[int, int]:
    """An extent, cut at the end of the file; a length of 0 means up to the end."""
    start = min(start, len(data))
    return start, min(length or len(data), len(data) - start)


def _file(data: bytes) -> Box:
    return Box(b"", 0, len(data))


def _bounded(box: Box) -> Box:
    """The box itself. Raises UndecodableImage above MAXIMUM_TABLE."""
    if box.end - box.start > MAXIMUM_TABLE:
        name, size = box.type.decode("latin-1"), box.end - box.start
        raise UndecodableImage(f"The file's table {name} has {size} bytes, more than {MAXIMUM_TABLE}.")
    return box


def _types(data: bytes, iinf: Box) -> dict[int, bytes]:
    """Item to type (`infe` of version 2 and 3, 8.11.6)."""
    types: dict[int, bytes] = {}
    entries = iinf.start + (8 if data[iinf.start] else 6)
    for entry in boxes(data, entries, _bounded(iinf).end):
        version = data[entry.start]
        if entry.type == b"infe" and version in (2, 3):
            layout = struct.Struct(">HH4s" if version == 2 else ">IH4s")
            number, _, kind = layout.unpack_from(data, entry.start + 4)
            types.setdefault(number, kind)
    return types


def _areas(data: bytes, iprp: Box | None) -> dict[int, int]:
    """Item to area in pixels by its only `ispe` property (ISO/IEC 23008-12, 6.5.3)."""
    properties = _child(data, iprp, b"ipco")
    if iprp is None or properties is None:
        return {}
    sizes: list[int] = []
    for box in boxes(data, properties.start, properties.end):
        width, height = struct.unpack_from(">II", data, box.start + 4) if box.type == b"ispe" else (0, 0)
        sizes.append(width * height)
    areas: dict[int, int] = {}
    tables = [box for box in boxes(data, iprp.start, iprp.end) if box.type == b"ipma"]
    if sum(box.end - box.start for box in tables) > MAXIMUM_TABLE:
        raise UndecodableImage(f"The file's tables ipma have more than {MAXIMUM_TABLE} bytes.")
    for box in tables:
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
    """Derived image to its parts (`dimg`), and the auxiliary images of the primary item (`auxl`); 8.11.12."""
    parts: defaultdict[int, list[int]] = defaultdict(list)
    auxiliaries: set[int] = set()
    if iref is None:
        return parts, ()
    one = "I" if data[iref.start] else "H"
    for box in boxes(data, iref.start + 4, _bounded(iref).end):
        number, count = struct.unpack_from(f">{one}H", data, box.start)
        others = struct.unpack_from(f">{count}{one}", data, box.start + struct.calcsize(f">{one}H"))
        if box.type == b"dimg":
            parts[number] += others
        elif box.type == b"auxl" and primary in others:
            auxiliaries.add(number)
    return parts, tuple(sorted(auxiliaries))


def _extents(data: bytes, iloc: Box | None, idat: Box | None, coded: Collection[int]) -> dict[int, Extents]:
    """Item to the extents of its data, for the items of `coded` (`iloc`, 8.11.3).

    Raises UndecodableImage for more extents than fit into the box. With offsets and lengths of no bytes, an item has
    65,535 extents in two bytes: 1.9 kB of such items took 12 s and 2 GB.
    """
    if iloc is None:
        return {}
    version = data[_bounded(iloc).start]
    sizes = data[iloc.start + 4 : iloc.start + 6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version in (1, 2) else 0
    each = index_size + offset_size + length_size
    at = iloc.start + 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > iloc.end:
            raise struct.error("the box iloc ends early")
        at += size
        return int.from_bytes(data[at - size : at], "big")

    identifier_size = 4 if version == 2 else 2
    extents: dict[int, Extents] = {}
    for _ in range(number(identifier_size)):  # each takes six bytes at least
        item = number(identifier_size)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)  # data_reference_index: this file
        base = number(base_size) + (idat.start if method == 1 and idat else 0)
        count = number(2)
        if count > 1 and (not each or count * each > iloc.end - at):
            raise UndecodableImage(f"The file's item {item} has {count} extents, for which there is no room.")
        if item not in coded or item in extents:
            at += count * each
            continue
        if count > MAXIMUM_EXTENTS:
            raise UndecodableImage(
                f"The file's item {item} has {count} extents, more than {MAXIMUM_EXTENTS}."
            )
        located = []
        for _ in range(count):
            number(index_size)
            located.append(_within(data, base + number(offset_size), number(length_size)))
        extents[item] = tuple(located)
    return extents
