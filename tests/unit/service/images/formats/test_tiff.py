"""TIFF: every depth, polarity and layout against the encoded pixels, and files whose cost is refused."""

import itertools
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.images import pillow
from service.images.decoding import UndecodableImage, decode, header
from service.images.formats import tiff
from service.images.formats.jpeg import MAXIMUM_SCANS
from service.images.formats.tiff_directory import directory
from tests.unit.service.images.conftest import Encode
from tests.unit.service.images.formats import tiffs
from tests.unit.service.images.formats.test_jpeg import EOI, HUFFMAN, QUANTIZATION, SOI, frame, scan
from tests.unit.service.images.test_orientation import exif

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
HEIGHT, WIDTH = 50, 61


def pixels(data: bytes, honour_orientation: bool = True) -> NDArray[np.uint8]:
    return decode(data, maximum_area=1_000_000, honour_orientation=honour_orientation)


def samples(bits: int, number: int = 1) -> NDArray[np.int64]:
    return np.random.default_rng(bits).integers(0, 1 << bits, (HEIGHT, WIDTH, number))


def expected(stored: NDArray[np.int64], bits: int, photometric: int) -> NDArray[np.int64]:
    """(H, W, 3) of 0 to 255: the highest eight bits, or a spread over the whole range where there are fewer."""
    colour = stored[:, :, : 3 if photometric == RGB else 1]
    levels = colour >> bits - 8 if bits >= 8 else np.rint(colour * 255 / ((1 << bits) - 1)).astype(int)
    return np.broadcast_to(255 - levels if photometric == WHITE_IS_ZERO else levels, (HEIGHT, WIDTH, 3))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("bits", range(1, 17))
def test_gray_of_every_depth_and_both_polarities(bits: int, photometric: int, order: str) -> None:
    stored = samples(bits)
    data = tiffs.encoded(stored, bits, photometric, order=order)
    np.testing.assert_array_equal(pixels(data), expected(stored, bits, photometric))


LAYOUTS: list[dict[str, Any]] = [
    *({"compression": kind} for kind in tiffs.ENCODERS),
    *({"compression": kind, "tile": (32, 16)} for kind in tiffs.ENCODERS),
    {"tile": (64, 64)},
    {"big": True, "compression": tiffs.DEFLATE},
    {"rows": HEIGHT},
    {"fill_order": 2},
    {"fill_order": 2, "compression": tiffs.LZW},
]


@pytest.mark.not_quick
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(
    ("bits", "photometric", "number"),
    [
        *(
            (bits, photometric, 1)
            for bits in (1, 4, 8, 12, 16)
            for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
        ),
        *((bits, WHITE_IS_ZERO, number) for bits in (8, 16) for number in (2, 3, 6)),
        *((bits, RGB, number) for bits in (8, 12, 16) for number in (3, 4, 6)),
    ],
)
def test_layouts(bits: int, photometric: int, number: int, layout: dict[str, Any]) -> None:
    stored = samples(bits, number)
    further = number - (3 if photometric == RGB else 1)
    extra = {338: (tiffs.SHORT, [2] + [0] * (further - 1))} if further else None
    right = expected(stored, bits, photometric)
    for order, apart in itertools.product("<>", {False, number > 1}):
        data = tiffs.encoded(
            stored, bits, photometric, order=order, separate_planes=apart, more=extra, **layout
        )
        np.testing.assert_array_equal(pixels(data), right)


@pytest.mark.not_quick
@pytest.mark.parametrize("tile", [None, (32, 16)])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "number"), [(8, 1), (8, 3), (16, 1), (16, 2), (16, 3)])
def test_horizontal_predictor(bits: int, number: int, order: str, tile: tuple[int, int] | None) -> None:
    stored = samples(bits, number)
    photometric = RGB if number == 3 else BLACK_IS_ZERO
    for compression, apart in itertools.product((tiffs.LZW, tiffs.DEFLATE), {False, number > 1}):
        data = tiffs.encoded(
            *(stored, bits, photometric), order=order, compression=compression, predictor=2, separate_planes=apart,
            tile=tile, more={338: (tiffs.SHORT, [2])} if number == 2 else None,
        )  # fmt: skip
        np.testing.assert_array_equal(pixels(data), expected(stored, bits, photometric))


@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.PACKBITS])
@pytest.mark.parametrize(("bits", "number"), [(8, 1), (8, 2), (16, 1), (16, 3)])
def test_the_predictor_is_ignored_where_libtiff_ignores_it(bits: int, number: int, compression: int) -> None:
    stored = samples(bits, number)
    photometric = RGB if number == 3 else BLACK_IS_ZERO
    for apart, tile in itertools.product({False, number > 1}, (None, (32, 16))):
        more = {317: (tiffs.SHORT, [2])} | ({338: (tiffs.SHORT, [2])} if number == 2 else {})
        data = tiffs.encoded(
            stored, bits, photometric, compression=compression, separate_planes=apart, tile=tile, more=more
        )
        np.testing.assert_array_equal(pixels(data), expected(stored, bits, photometric))


@pytest.mark.parametrize(("bits", "predictor"), [(3, 1), (12, 1), (15, 1), (16, 1), (16, 2)])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("tile", [None, (272, 16)])
def test_rows_of_several_blocks(
    bits: int, predictor: int, number: int, tile: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of more samples than are unpacked at once, and blocks that end within a tile."""
    width = 1001
    stored = np.random.default_rng(bits).integers(0, 1 << bits, (3, width, number))
    photometric = RGB if number > 2 else BLACK_IS_ZERO
    data = tiffs.encoded(
        *(stored, bits, photometric), compression=tiffs.DEFLATE, predictor=predictor, tile=tile,
        more={338: (tiffs.SHORT, [2])} if number in (2, 4) else None,
    )  # fmt: skip
    whole = pixels(data)
    colour = stored[:, :, : 3 if photometric == RGB else 1]
    right = colour >> bits - 8 if bits >= 8 else np.rint(colour * 255 / ((1 << bits) - 1))
    np.testing.assert_array_equal(whole, np.broadcast_to(right, (3, width, 3)))
    monkeypatch.setattr(pillow, "STRIP_PIXELS", 100)
    np.testing.assert_array_equal(pixels(data), whole)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette(bits: int, order: str) -> None:
    stored = samples(bits)
    palette = np.random.default_rng(7).integers(0, 256, (3, 1 << bits))
    more = {320: (tiffs.SHORT, (palette * 257).ravel().tolist())}
    data = tiffs.encoded(stored, bits, 3, order=order, more=more)
    np.testing.assert_array_equal(pixels(data), palette.T[stored[:, :, 0]])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk(bits: int, order: str) -> None:
    stored = samples(bits, 4)
    ink = stored >> bits - 8
    right = (255 - ink[:, :, :3]) * (255 - ink[:, :, 3:]) / 255
    assert np.abs(pixels(tiffs.encoded(stored, bits, 5, order=order)) - right).max() <= 1


def test_jpeg_compression(picture: NDArray[np.uint8], encode: Encode) -> None:
    for options in ({}, {"tiffinfo": {322: 32, 323: 16}}):
        data = encode("TIFF", compression="jpeg", quality=95, **options)
        assert np.abs(pixels(data).astype(int) - picture).mean() < 3


def test_embedded_jpegs_obey_the_limit_of_scans(encode: Encode) -> None:
    """A valid progressive JPEG is decoded; too many scans and arithmetic coding are refused, in strips and tiles."""
    side = 64
    smooth = Image.linear_gradient("L").resize((side, side))
    valid = encode("JPEG", smooth, progressive=True)
    start = SOI + QUANTIZATION
    scans = scan(0, 0, 0) + scan(1, 63, 0) * MAXIMUM_SCANS
    many = start + frame(0xC2, side, side) + HUFFMAN + scans + EOI
    arithmetic = start + frame(0xCA, side, side) + scan(0, 0, 0) + scan(1, 63, 0) + EOI

    def within(content: bytes, tiled: bool) -> bytes:
        places = (
            {322: (4, [side]), 323: (4, [side]), 324: (4, [16]), 325: (4, [len(content)])}
            if tiled
            else {273: (4, [16]), 278: (4, [side]), 279: (4, [len(content)])}
        )
        entries = {
            256: (4, [side]), 257: (4, [side]), 258: (3, [8]), 259: (3, [7]), 262: (3, [1]), 277: (3, [1]), **places,
        }  # fmt: skip
        return tiffs.file("<", entries, content)

    for tiled in (False, True):
        np.testing.assert_array_equal(pixels(within(valid, tiled)), pixels(valid))
        with pytest.raises(UndecodableImage, match="101 scans"):
            pixels(within(many, tiled))
        with pytest.raises(UndecodableImage, match="arithmetic"):
            pixels(within(arithmetic, tiled))


def test_overlapping_embedded_jpegs_are_refused(encode: Encode) -> None:
    """Each of 1,000 tiles begins one byte after the one before: searching all would take 1,000 times as long."""
    content = encode("JPEG", Image.new("L", (16, 16))) + bytes(100_000)
    number = 1000
    entries = {
        256: (4, [16 * number]), 257: (4, [16]), 258: (3, [8]), 259: (3, [7]), 262: (3, [1]), 322: (4, [16]),
        323: (4, [16]), 324: (4, list(range(16, 16 + number))), 325: (4, [len(content)] * number),
    }  # fmt: skip
    with pytest.raises(UndecodableImage, match="over one another"):
        pixels(tiffs.file("<", entries, content))


def test_fax(encode: Encode) -> None:
    drawing = np.random.default_rng(3).integers(0, 2, (HEIGHT, WIDTH)).astype(bool)
    for compression in ("group3", "group4", "packbits"):
        decoded = pixels(encode("TIFF", Image.fromarray(drawing), compression=compression))
        np.testing.assert_array_equal(decoded, np.repeat(drawing[:, :, None] * 255, 3, axis=2))


@pytest.mark.parametrize(
    ("bits", "sample_format", "dtype"),
    [(32, 1, "u4"), (32, 3, "f4"), (16, 2, "i2"), (8, 2, "i1"), (64, 3, "f8")],
)
def test_samples_without_a_known_range_are_refused(bits: int, sample_format: int, dtype: str) -> None:
    content = np.ones((HEIGHT, WIDTH), dtype).tobytes()
    entries = one_strip(content, bits) | {339: (tiffs.SHORT, [sample_format])}
    with pytest.raises(UndecodableImage, match="range is unknown"):
        pixels(tiffs.file("<", entries, content))


def one_strip(content: bytes, bits: int = 8) -> dict[int, tuple[int, Sequence[int]]]:
    return {
        256: (tiffs.LONG, [WIDTH]),
        257: (tiffs.LONG, [HEIGHT]),
        258: (tiffs.SHORT, [bits]),
        262: (tiffs.SHORT, [BLACK_IS_ZERO]),
        273: (tiffs.LONG, [16]),
        279: (tiffs.LONG, [len(content)]),
    }


@pytest.mark.parametrize("bits", [3, 12])
def test_no_jpeg_of_other_depths(bits: int) -> None:
    content = bytes(WIDTH * HEIGHT * 2)
    for compression in (7, 50001, 4, 34676, 34712):
        with pytest.raises(UndecodableImage):
            pixels(tiffs.file("<", one_strip(content, bits) | {259: (tiffs.SHORT, [compression])}, content))


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation(value: int, picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode("TIFF", exif=exif(value))
    assert header(data)[:2] == (64, 40)
    np.testing.assert_array_equal(pixels(data, honour_orientation=False), picture)
    turned = (40, 64) if value < 5 else (64, 40)
    assert pixels(data).shape == (*turned, 3)


def test_orientation_in_xmp_alone_is_none(picture: NDArray[np.uint8], encode: Encode) -> None:
    packet = b'<rdf:Description tiff:Orientation="6"/>'
    data = encode("TIFF", tiffinfo={700: packet})
    assert packet in data
    np.testing.assert_array_equal(pixels(data), picture)


BOMBS: Mapping[str, tuple[Mapping[int, tuple[int, Sequence[int]]], tuple[int, ...]]] = {
    "a tile of 3.6 GP": (
        {322: (4, [60_000]), 323: (4, [60_000]), 324: (4, [16]), 325: (4, [100])},
        (273, 279),
    ),
    "tiles of one pixel": (
        {256: (4, [900]), 257: (4, [900]), 322: (4, [1]), 323: (4, [1]), 324: (4, [16] * 4)},
        (273,),
    ),
    "strips in many planes": ({257: (4, [40_000]), 277: (3, [6]), 284: (3, [2]), 278: (4, [1])}, ()),
    "60,000 samples": ({277: (3, [60_000])}, ()),
    "a strip of no rows": ({278: (4, [0])}, ()),
}


@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.DEFLATE])
@pytest.mark.parametrize("name", BOMBS)
def test_costs_out_of_proportion_to_the_area_are_refused(name: str, compression: int) -> None:
    content = bytes(WIDTH * HEIGHT)
    more, without = BOMBS[name]
    entries = {**one_strip(content), 259: (tiffs.SHORT, [compression]), **more}
    data = tiffs.file("<", {tag: entry for tag, entry in entries.items() if tag not in without}, content)
    with pytest.raises(UndecodableImage, match=r"strips|samples"):
        decode(data, maximum_area=10_000_000, honour_orientation=True)


@pytest.mark.parametrize("tag", [258, 339])
def test_a_tag_without_integers_is_refused(tag: int) -> None:
    more = {tag: (tiffs.FLOAT, [float("nan")])}
    with pytest.raises(UndecodableImage, match="no integers"):
        decode(
            tiffs.encoded(samples(8), 8, BLACK_IS_ZERO, more=more),
            maximum_area=10_000_000,
            honour_orientation=True,
        )


def test_a_thumbnail_in_a_tile_of_its_own(encode: Encode) -> None:
    stored = samples(8)
    data = tiffs.encoded(stored, 8, BLACK_IS_ZERO, tile=(1024, 1024), compression=tiffs.DEFLATE)
    np.testing.assert_array_equal(pixels(data), expected(stored, 8, BLACK_IS_ZERO))


def test_each_tile_is_decoded_once() -> None:
    """A tile wider than the image covers it whole: 100,000 of them would decode it as often."""
    stored = samples(8)
    content = stored.astype(np.uint8).tobytes()
    wide = {
        322: (4, [WIDTH + 3]),
        323: (4, [HEIGHT]),
        324: (4, [16] * 100_000),
        325: (4, [len(content)] * 100_000),
    }
    entries = {**one_strip(content), **wide}
    del entries[273], entries[279]
    found = directory(tiffs.file("<", entries, content))
    assert len(found.fields[324].values) == 100_000
    kept = tiff._copied_tags(found, tiff._striles(found, tiff._samples(found)), tiff._samples(found))
    assert len(kept[324].values) == 1


def test_metadata_is_not_read() -> None:
    """Directories that form a loop, and tags with a million values, are never followed."""
    stored = samples(8)
    content = stored.astype(np.uint8).tobytes()
    more = {330: (4, [16]), 34665: (4, [16]), 532: (5, [1] * 200_000), 65000: (5, [1] * 200_000)}
    data = bytearray(tiffs.file("<", {**one_strip(content), **more}, content))
    (start,) = struct.unpack_from("<I", data, 4)
    (number,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * number, start)
    assert set(directory(bytes(data)).fields) == set(one_strip(content))
    np.testing.assert_array_equal(pixels(bytes(data)), expected(stored, 8, BLACK_IS_ZERO))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_ends_early(order: str, big: bool) -> None:
    stored = samples(12)
    whole = tiffs.encoded(stored, 12, BLACK_IS_ZERO, order=order, big=big, rows=HEIGHT)
    for length in (4, 8, 12, 16, 100, len(whole) - 200, len(whole) - 100):
        with pytest.raises(UndecodableImage):
            pixels(whole[:length])


def test_floating_point_is_refused(encode: Encode) -> None:
    with pytest.raises(UndecodableImage, match="floating-point"):
        pixels(encode("TIFF", Image.new("F", (8, 8), 0.5)))
