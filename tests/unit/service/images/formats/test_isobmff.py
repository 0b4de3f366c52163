"""AVIF and HEIF: brands, files without a photo, and containers whose cost exceeds their area."""

import struct
import time
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.images.decoding import UndecodableImage, decode, header
from tests.unit.service.images.conftest import Encode
from tests.unit.service.images.formats import isomedia
from tests.unit.service.images.formats.isomedia import Picture

CODED = {"AVIF": b"av01", "HEIF": b"hvc1"}
CONFIGURATION = {"AVIF": b"av1C", "HEIF": b"hvcC"}
MAJOR = {"AVIF": b"avif", "HEIF": b"heic"}
SIDE = 64


def pixels(data: bytes) -> NDArray[np.uint8]:
    decoded = decode(data, maximum_area=9_000_000, honour_orientation=True)
    assert header(data)[:2] == (decoded.shape[1], decoded.shape[0])
    return decoded


def picture_of(kind: str, encode: Encode, width: int = SIDE, height: int = SIDE) -> Picture:
    """A gray picture, coded, and its properties with its true size first."""
    properties, data = isomedia.parts_of(encode(kind, Image.new("RGB", (width, height), (90, 90, 90))))
    kept = [each for each in properties if each[4:8] in (CONFIGURATION[kind], b"pixi")]
    return Picture(CODED[kind], [isomedia.ispe(width, height), *kept], data)


def sized(picture: Picture, width: int, height: int) -> Picture:
    return picture._replace(properties=[isomedia.ispe(width, height), *picture.properties[1:]])


def gridded(kind: str, tile: Picture, columns: int, rows: int, width: int, height: int, number: int) -> bytes:
    """A grid of `number` tiles, each a separate item; a single tile is referenced repeatedly."""
    tiles = {2 + index: tile for index in range(number)}
    grid = Picture(
        b"grid",
        [isomedia.ispe(width, height), tile.properties[-1]],
        isomedia.grid(columns, rows, width, height),
    )
    named = (list(tiles) * (columns * rows))[: columns * rows]
    brands = [MAJOR[kind], b"mif1", MAJOR[kind]]
    return isomedia.container(brands, {1: grid, **tiles}, references=[(b"dimg", 1, named)])


@pytest.mark.parametrize(
    "brands",
    [
        [b"mif1", b"avif", b"mif1", b"miaf", b"MA1B"],
        [b"mif1", b"mif1", b"miaf", b"MA1B"],
        [b"miaf", b"MA1A"],
        [b"avif", b"mif1"],
        [b"mif1", b"heic", b"avif"],
        [b"heic", b"miaf", b"miaf"],
        [b"heic", b"heic"],
        [b"????", b"????"],
    ],
    ids=lambda brands: b" ".join(brands).decode(),
)
@pytest.mark.parametrize("kind", CODED)
def test_the_coding_determines_the_format_under_all_brands(
    kind: str, brands: Sequence[bytes], encode: Encode
) -> None:
    data = isomedia.container(brands, {1: picture_of(kind, encode)})
    assert header(data)[:3] == (SIDE, SIDE, kind)
    assert np.abs(pixels(data).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("kind", CODED)
def test_real_files_under_another_major_brand(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode(kind, quality=95)
    right = pixels(data)
    np.testing.assert_array_equal(pixels(data[:8] + b"mif1" + data[12:]), right)


def test_ftyp_of_64_bits(encode: Encode) -> None:
    data = encode("AVIF")
    (size,) = struct.unpack_from(">I", data)
    # Locations count from the file's start, and so the box before must not grow: it loses its last two brands.
    long = struct.pack(">I4sQ", 1, b"ftyp", size) + b"mif1" + bytes(4) + b"avifmif1"
    assert len(long) == size
    np.testing.assert_array_equal(pixels(long + data[size:]), pixels(data))


@pytest.mark.parametrize(
    "start",
    [
        isomedia.ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"),
        isomedia.ftyp(b"mp42", b"mp42"),
        isomedia.ftyp(b"qt  ", b"qt  "),
        isomedia.ftyp(b"3gp5", b"3gp5"),
        b"",
        isomedia.box(b"wide"),
    ],
    ids=lambda start: start[8:12].decode() or "before ftyp",
)
def test_videos_are_refused_as_videos(start: bytes) -> None:
    with pytest.raises(UndecodableImage, match="is a video"):
        header(start + isomedia.box(b"moov", bytes(100)) + isomedia.box(b"mdat", bytes(1000)))


@pytest.mark.parametrize(
    "data", [isomedia.ftyp(b"heic"), isomedia.ftyp(b"avif"), b"\0\0\0\x18ftypheic", b"\0\0\0\0ftyp"]
)
def test_rejects_containers_without_an_image(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        header(data)


@pytest.mark.parametrize("kind", CODED)
def test_valid_grids_are_decoded(kind: str, encode: Encode) -> None:
    tile = picture_of(kind, encode)
    for width, height, columns, rows in ((256, 192, 4, 3), (250, 180, 4, 3)):
        decoded = pixels(gridded(kind, tile, columns, rows, width, height, columns * rows))
        assert decoded.shape == (height, width, 3)
        assert np.abs(decoded.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("kind", CODED)
def test_tiles_far_larger_than_the_grid_are_refused(kind: str, encode: Encode) -> None:
    tile = picture_of(kind, encode, 1024, 1024)
    for number in (1, 256):
        with pytest.raises(UndecodableImage, match="256 pictures"):
            header(gridded(kind, tile, 16, 16, 1024, 1024, number))


@pytest.mark.parametrize("kind", CODED)
def test_a_tile_counts_as_often_as_it_is_referenced(kind: str, encode: Encode) -> None:
    """A blank tile may be referenced often; a tile that is nearly the whole file may not."""
    blank = picture_of(kind, encode)
    if kind == "HEIF":
        assert pixels(gridded(kind, blank, 30, 20, 30 * SIDE, 20 * SIDE, 1)).shape[:2] == (
            20 * SIDE,
            30 * SIDE,
        )
    large = blank._replace(data=blank.data + bytes(700_000))
    with pytest.raises(UndecodableImage, match="bytes of pictures together"):
        header(gridded(kind, large, 3, 2, 3 * SIDE, 2 * SIDE, 1))


@pytest.mark.parametrize("kind", CODED)
def test_grids_of_grids_are_counted_through(kind: str, encode: Encode) -> None:
    tile = picture_of(kind, encode)
    grid = Picture(b"grid", tile.properties[:1], isomedia.grid(16, 16, SIDE, SIDE))
    pictures = {1: grid, 2: grid._replace(data=grid.data + b"\0"), 3: tile}
    chain = [(b"dimg", 1, [2] * 256), (b"dimg", 2, [3] * 256)]
    brands = [MAJOR[kind], b"mif1", MAJOR[kind]]
    with pytest.raises(UndecodableImage, match="65536 pictures"):
        header(isomedia.container(brands, pictures, references=chain))
    loop = [(b"dimg", 1, [2]), (b"dimg", 2, [1])]
    with pytest.raises(UndecodableImage, match="without end"):
        header(isomedia.container(brands, pictures, references=loop))


@pytest.mark.not_quick
def test_frames_far_larger_than_the_container_states_are_refused(encode: Encode) -> None:
    large = picture_of("AVIF", encode, 4096, 2048)
    for width, height in ((SIDE, SIDE), (640, 480)):
        data = isomedia.container([b"avif", b"avif"], {1: sized(large, width, height)})
        with pytest.raises(UndecodableImage, match="up to 8388608"):
            header(data)
    valid = isomedia.container([b"avif", b"avif"], {1: large})
    assert header(valid)[:3] == (4096, 2048, "AVIF")


@pytest.mark.not_quick
def test_a_frame_has_twice_the_pixels_of_its_image_at_most(encode: Encode) -> None:
    """With four million in addition; other pictures may be larger, since they are not decoded."""
    large = picture_of("AVIF", encode, 3000, 3000)
    small = picture_of("AVIF", encode, 1500, 1500)
    with pytest.raises(UndecodableImage, match="states 2250000 pixels, and its frames have up to 9000000"):
        header(isomedia.container([b"avif", b"avif"], {1: sized(large, 1500, 1500)}))
    assert header(isomedia.container([b"avif", b"avif"], {1: small, 2: large}))[:2] == (1500, 1500)


def test_one_picture_has_one_size(encode: Encode) -> None:
    picture = picture_of("HEIF", encode)
    twice = picture._replace(properties=[isomedia.ispe(2000, 2000), *picture.properties])
    with pytest.raises(UndecodableImage, match="two sizes"):
        header(isomedia.container([b"heic", b"heic"], {1: twice}))


def test_overlapping_pictures_are_refused(encode: Encode) -> None:
    picture = picture_of("AVIF", encode)
    data = isomedia.container([b"avif", b"avif"], {1: picture, 2: picture})
    assert header(data)[:3] == (SIDE, SIDE, "AVIF")
    # Units of two bytes from a thousand starts on: walking each to the end would take minutes.
    pictures = {number: picture._replace(data=bytes([18, 0]) * (1 + number)) for number in range(1, 1000)}
    with pytest.raises(UndecodableImage, match="over one another"):
        header(isomedia.container([b"avif", b"avif"], pictures, reach=900_000))


ALL_SIZES_ZERO = b"\0\0"


def located(sizes: bytes, *items: bytes) -> bytes:
    """An AVIF of one item and nothing else but a table of locations."""
    entry = isomedia.full(b"infe", struct.pack(">HH4sB", 1, 0, b"av01", 0), version=2)
    return isomedia.ftyp(b"avif", b"avif") + isomedia.full(
        b"meta",
        isomedia.full(b"pitm", struct.pack(">H", 1)),
        isomedia.full(b"iinf", struct.pack(">H", 1), entry),
        isomedia.full(b"iloc", sizes, struct.pack(">H", len(items)), *items),
    )


def test_extents_of_no_bytes_are_refused() -> None:
    """Each item states 65,535 extents in two bytes."""
    data = located(ALL_SIZES_ZERO, *(struct.pack(">HHH", number, 0, 65535) for number in range(300)))
    started = time.thread_time()
    with pytest.raises(UndecodableImage, match="65535 extents"):
        header(data)
    assert time.thread_time() - started < 0.5


def test_extents_are_counted_before_they_are_copied(encode: Encode) -> None:
    whole = isomedia.container([b"avif", b"avif"], {1: picture_of("AVIF", encode)})
    one = whole[whole.index(b"iloc") + 12 :][:14]
    assert one[:2] == struct.pack(">H", 1)
    start, _ = struct.unpack_from(">II", one, 6)
    pieces = 32
    longer = (
        struct.pack(">HHH", 1, 0, pieces) + struct.pack(">II", start + 8 * (pieces - 1), 20_000_000) * pieces
    )
    # The table and the boxes around it grow by 31 extents of eight bytes.
    data = whole.replace(one, longer)
    for box in (b"meta", b"iloc"):
        at = data.index(box) - 4
        (size,) = struct.unpack_from(">I", data, at)
        data = data[:at] + struct.pack(">I", size + len(longer) - len(one)) + data[at + 4 :]
    data += isomedia.box(b"free", bytes(20_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(UndecodableImage, match="bytes of pictures together"):
            header(data)
        assert tracemalloc.get_traced_memory()[1] < 45_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [b"iinf", b"iloc", b"iref", b"ipma"])
def test_tables_of_a_megabyte_are_refused(kind: bytes) -> None:
    tables = {
        b"pitm": isomedia.full(b"pitm", struct.pack(">H", 1)),
        b"iinf": isomedia.full(b"iinf", struct.pack(">H", 0)),
        b"iprp": isomedia.box(b"iprp", isomedia.box(b"ipco"), isomedia.full(b"ipma", bytes(4))),
        b"iref": isomedia.full(b"iref"),
        b"iloc": isomedia.full(b"iloc", bytes(4)),
    }
    filled = isomedia.full(kind, bytes(1 << 20))
    tables[b"iprp" if kind == b"ipma" else kind] = (
        isomedia.box(b"iprp", isomedia.box(b"ipco"), filled) if kind == b"ipma" else filled
    )
    data = isomedia.ftyp(b"avif", b"avif") + isomedia.full(b"meta", *tables.values())
    with pytest.raises(UndecodableImage, match=r"table.* " + kind.decode()):
        header(data)


def test_too_many_boxes_are_refused() -> None:
    data = isomedia.ftyp(b"avif", b"avif") + isomedia.box(b"free") * 1_000_000
    with pytest.raises(UndecodableImage, match="20000 sibling boxes"):
        header(data)


LARGE = (4096, 2048)


def track(*tables: bytes) -> bytes:
    """A track of 60,000 x 60,000 pixels in 16.16 fixed point."""
    size = isomedia.full(b"tkhd", bytes(72), struct.pack(">II", 60_000 << 16, 60_000 << 16))
    return isomedia.box(
        b"trak",
        size,
        isomedia.box(b"mdia", isomedia.box(b"minf", isomedia.box(b"stbl", *tables))),
    )


@pytest.mark.not_quick
def test_a_track_does_not_raise_the_limit_of_a_still_picture(encode: Encode) -> None:
    still = sized(picture_of("AVIF", encode, *LARGE), SIDE, SIDE)
    data = isomedia.container([b"avif", b"avif"], {1: still}) + isomedia.box(b"moov", track())
    with pytest.raises(UndecodableImage, match="states 4096 pixels, and its frames have up to 8388608"):
        header(data)


def test_the_first_sample_of_each_track_counts(encode: Encode) -> None:
    """A first track without samples stands before the one that is decoded."""
    frames = [Image.new("RGB", LARGE, (90, 90, level)) for level in (90, 91)]
    data = encode("AVIF", frames[0], save_all=True, append_images=frames[1:], speed=10)
    assert header(data)[:3] == (*LARGE, "AVIF")
    assert header(with_first_track(data, track()))[:3] == (*LARGE, "AVIF")
    small = data.replace(b"ispe\0\0\0\0" + struct.pack(">II", *LARGE), isomedia.ispe(SIDE, SIDE)[4:])
    small = small.replace(
        struct.pack(">II", *(side << 16 for side in LARGE)), struct.pack(">II", SIDE << 16, SIDE << 16)
    )
    for hidden in (small, with_first_track(small, track())):
        with pytest.raises(UndecodableImage, match="states 4096 pixels, and its frames have up to 8388608"):
            header(hidden)


def with_first_track(data: bytes, added: bytes) -> bytes:
    """An image sequence with one more track before its own, whose chunk offsets grow by it."""
    film, first = data.index(b"moov") - 4, data.index(b"trak") - 4
    longer = bytearray(data[:first] + added + data[first:])
    (size,) = struct.unpack_from(">I", data, film)
    struct.pack_into(">I", longer, film, size + len(added))
    at = -1
    while (at := longer.find(b"stco", at + 1)) >= 0:
        (count,) = struct.unpack_from(">I", longer, at + 8)
        for place in range(at + 12, at + 12 + 4 * count, 4):
            (offset,) = struct.unpack_from(">I", longer, place)
            struct.pack_into(">I", longer, place, offset + len(added))
    return bytes(longer)


def test_sequences_start_with_their_first_frame(picture: NDArray[np.uint8], encode: Encode) -> None:
    frames = [Image.fromarray(picture[::step]).resize((64, 40)) for step in (1, -1)]
    data = encode("AVIF", frames[0], save_all=True, append_images=frames[1:], quality=95)
    assert data[8:12] == b"avis"
    assert np.abs(pixels(data).astype(int) - picture).mean() < 5
