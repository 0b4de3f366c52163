"""JPEG: markers as parsed by libjpeg-turbo, limits of scans, and files cut at every byte."""

import io
import struct
import time
from pathlib import Path

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from service.images.decoding import UndecodableImage, decode, header
from service.images.formats import jpeg
from service.images.formats.jpeg import MAXIMUM_ARITHMETIC_SCANS, MAXIMUM_SCANS
from tests.unit.service.images.conftest import Encode

SOI, EOI, TEM, RST0, FILL, STUFFED = b"\xff\xd8", b"\xff\xd9", b"\xff\x01", b"\xff\xd0", b"\xff", b"\xff\0"
SIDE = 8
"""Pixels of an image of one block."""


def segment(marker: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def frame(marker: int, width: int = SIDE, height: int = SIDE) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))


def scan(first: int, last: int, bits: int) -> bytes:
    """The header of a scan of coefficients `first` to `last`, and its bits (T.81, B.2.3: Ss, Se, Ah and Al)."""
    return segment(0xDA, bytes([1, 1, 0, first, last, bits]))


QUANTIZATION = segment(0xDB, bytes([0]) + bytes([1]) * 64)
HUFFMAN = segment(0xC4, bytes([0x00, 1, *bytes(15), 0])) + segment(0xC4, bytes([0x10, 1, *bytes(15), 0]))
"""Huffman tables for DC and AC: one code of one bit each, for zero."""
START = SOI + QUANTIZATION + frame(0xC2) + HUFFMAN
BITS = range(4, 10)


def refinement(bit: int) -> bytes:
    """A scan that sets this bit of the block's DC coefficient, and nothing else."""
    return scan(0, 0, bit + 1 << 4 | bit) + b"\x80"


def scans_decoded(decoded: NDArray[np.uint8]) -> int:
    """Number of refinements of BITS that libjpeg decoded: the level is an eighth of the DC coefficient, plus 128."""
    assert (decoded == decoded[0, 0]).all()
    return (int(decoded[0, 0, 0]) - 128).bit_count()


COMMENT = segment(0xFE, b"a comment")


def pixels(data: bytes, *, honour_orientation: bool = False) -> NDArray[np.uint8]:
    return decode(data, maximum_area=10_000_000, honour_orientation=honour_orientation)


def scan_count(data: bytes) -> int:
    return jpeg.scan_count(list(jpeg.segments(data)))


BETWEEN = {
    "nothing": b"",
    "TEM": TEM,
    "TEM and RST": TEM + RST0 + TEM,
    "fill bytes": FILL * 7,
    "a comment": COMMENT,
    "a comment of length 0": b"\xff\xfe\0\0",
    "a comment of length 1": b"\xff\xfe\0\1",
    "fill bytes before a comment": FILL * 3 + COMMENT,
    "bytes between segments": b"\0\1\2\xda\xfe",
    "stuffed bytes": STUFFED * 3 + FILL + STUFFED,
    "a scan within a comment": segment(0xFE, scan(0, 0, 0) * 3),
    "the end within a comment": segment(0xFE, EOI),
    "number of lines": segment(0xDC, b"\0\1"),
    "restart interval": segment(0xDD, b"\0\0"),
    "all at once": TEM + FILL + COMMENT + RST0 + STUFFED + segment(0xE1, b"Exif\0\0"),
}


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize(
    "end", [EOI + refinement(3) * 300, EOI, b""], ids=["scans behind EOI", "EOI", "no EOI"]
)
def test_scans_are_counted_as_libjpeg_decodes_them(between: str, end: bytes) -> None:
    for number in range(1, len(BITS) + 1):
        data = START + b"".join(BETWEEN[between] + refinement(bit) for bit in BITS[:number]) + end
        assert scan_count(data) == scans_decoded(pixels(data)) == number


def test_no_scan_among_random_markers_is_missed() -> None:
    random = np.random.default_rng(3)
    pieces = [
        *BETWEEN.values(),
        *(bytes([0xFF, marker]) for marker in range(256)),
        b"\xff\xfe\0\5",
        b"\0\2\xff",
    ]
    hidden = 0
    for _ in range(400):
        scans = (
            b"".join(pieces[at] for at in random.integers(0, len(pieces), random.integers(0, 3)))
            + refinement(bit)
            for bit in BITS
        )
        data = START + segment(0xDD, bytes([0, random.integers(0, 2)])) + b"".join(scans) + EOI
        try:
            decoded = scans_decoded(pixels(data))
        except UndecodableImage:
            continue
        assert scan_count(data) >= decoded
        hidden += decoded < len(BITS)
    assert hidden > 10


@pytest.mark.parametrize("between", [b"", TEM, FILL + TEM + RST0], ids=["plain", "TEM", "TEM and RST"])
@pytest.mark.parametrize(
    ("start", "marker", "limit"),
    [("HUFFMAN", 0xC2, MAXIMUM_SCANS), ("arithmetic", 0xCA, MAXIMUM_ARITHMETIC_SCANS)],
)
def test_no_marker_evades_the_limit_of_scans(between: bytes, start: str, marker: int, limit: int) -> None:
    tables = HUFFMAN if start == "HUFFMAN" else b""
    head = SOI + QUANTIZATION + frame(marker, 640, 400) + tables + scan(0, 0, 0)
    allowed = head + (between + scan(1, 63, 0)) * (limit - 1)
    assert pixels(allowed + EOI).shape == (400, 640, 3)
    for scans in (1, 600, 100_000):
        started = time.thread_time()
        with pytest.raises(UndecodableImage, match=r"scans|segments"):
            pixels(allowed + (between + scan(1, 63, 0)) * scans + EOI)
        assert time.thread_time() - started < 1


BASELINE = QUANTIZATION + frame(0xC0) + HUFFMAN + scan(0, 63, 0) + b"\x3f" + EOI
EXIF_OF_3 = b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHHI", 0x0112, 3, 1, 3, 0, 0)
XMP = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="%d"/>'


@pytest.mark.parametrize(
    "filling",
    [
        TEM * 500_000,
        FILL * 1_000_000,
        STUFFED * 500_000,
        b"\0" * 1_000_000,
        segment(0xFE) * 250_000,
        segment(0xE1, b"Exif\0\0" + b"x" * 12) * 45_000,
        segment(0xE2, b"ICC_PROFILE\0\1\1") * 55_000,
        segment(0xE1, EXIF_OF_3[:-4] * 2_000) * 15,
        QUANTIZATION * 14_000,
    ],
    ids=["TEM", "fill", "stuffed", "zeros", "comments", "EXIF", "ICC", "large EXIF", "tables"],
)
def test_a_megabyte_before_the_image_costs_little(filling: bytes) -> None:
    started = time.thread_time()
    data = SOI + COMMENT + filling + BASELINE
    try:
        assert header(data)[:2] == (SIDE, SIDE)
        assert pixels(data, honour_orientation=True).shape == (SIDE, SIDE, 3)
    except UndecodableImage as error:
        assert "segments" in str(error)  # noqa: PT017
    assert time.thread_time() - started < 0.5


def test_metadata_of_many_segments(encode: Encode) -> None:
    whole = encode("JPEG")
    plain = pixels(whole)
    other = segment(0xE1, XMP % 6) + segment(0xE2, b"ICC_PROFILE\0\1\1") + COMMENT
    halves = segment(0xE1, EXIF_OF_3[:20]) + segment(0xE1, b"Exif\0\0" + EXIF_OF_3[20:])
    for metadata, expected in (
        (other, plain),
        (segment(0xE1, EXIF_OF_3) + other, plain[::-1, ::-1]),
        (other + halves, plain[::-1, ::-1]),
        (segment(0xE1, b"Exif\0\0") + other, plain),
        (segment(0xE1, b"Exif\0\0no TIFF") + other, plain),
    ):
        data = SOI + metadata + whole[2:]
        np.testing.assert_array_equal(pixels(data, honour_orientation=True), expected)
        np.testing.assert_array_equal(pixels(data), plain)


def test_a_marker_within_entropy_coded_data_ends_the_scan(encode: Encode) -> None:
    """As in libjpeg: a damaged photo keeps dlib's pixels, so bytes after the first scan are never dropped."""
    whole = encode("JPEG", Image.effect_noise((64, 64), 90).convert("L"))
    middle = (whole.index(b"\xff\xda") + len(whole)) // 2
    damaged = whole[:middle] + COMMENT + whole[middle:]
    decoded = pixels(damaged)
    np.testing.assert_array_equal(decoded, _pillows(damaged))
    assert (decoded[-8:, 8:] == decoded[-1, -1]).all()


def _pillows(data: bytes) -> NDArray[np.uint8] | None:
    """libjpeg-turbo's pixels of a file that may be cut; None where it refuses, however many EOI markers follow."""
    for ends in (1, 0x8000):
        try:
            with JpegImagePlugin.JpegImageFile(io.BytesIO(data + EOI * ends)) as image:
                return np.asarray(image.convert("RGB"))
        except OSError:
            continue
    return None


def _dlib_decodes(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    try:
        dlib.load_rgb_image(str(path))
    except RuntimeError:
        return False
    return True


@pytest.mark.not_quick
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_cut_at_any_byte(
    progressive: bool, mode: str, picture: NDArray[np.uint8], encode: Encode, tmp_path: Path
) -> None:
    """Files that dlib decodes have the pixels of libjpeg-turbo; all others are refused."""
    smooth = picture[:24, :32].astype(int)
    noisy = smooth + np.random.default_rng(0).integers(-20, 20, smooth.shape)
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)
    whole = encode("JPEG", image, quality=85, progressive=progressive, exif=EXIF_OF_3, comment=b"a comment")
    decoded = 0
    for end in range(2, len(whole)):
        cut = whole[:end]
        try:
            ours = pixels(cut)
        except UndecodableImage:
            assert not _dlib_decodes(cut, tmp_path / "cut.jpg"), end
            continue
        decoded += 1
        assert _dlib_decodes(cut, tmp_path / "cut.jpg"), end
        np.testing.assert_array_equal(ours, _pillows(cut), str(end))
    assert decoded > 100


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_kinds(mode: str, progressive: bool, picture: NDArray[np.uint8], encode: Encode) -> None:
    image = Image.fromarray(picture).convert(mode)
    decoded = pixels(encode("JPEG", image, quality=98, progressive=progressive)).astype(int)
    assert np.abs(decoded - np.asarray(image.convert("RGB"))).max() < 12


def test_cmyk_is_composed_as_dlib_does(encode: Encode) -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 100, 200, 155))
    red, green, blue = pixels(encode("JPEG", cmyk, quality=100))[8, 8]
    assert (red, green, blue) == (255 * 100 >> 8, 155 * 100 >> 8, 55 * 100 >> 8)


def test_the_rest_of_a_truncated_jpeg_is_gray(picture: NDArray[np.uint8], encode: Encode) -> None:
    image = Image.fromarray(picture).resize((640, 400))
    whole = encode("JPEG", image, quality=90)
    cut = pixels(whole[: len(whole) // 2])
    np.testing.assert_array_equal(cut[:64], pixels(whole)[:64])
    assert (cut[-1] == cut[-1, 0]).all()


def progressive_with_scans(encode: Encode, scans: int) -> bytes:
    whole = encode("JPEG", progressive=True)
    starts = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    last = whole[starts[-1] : -2]
    return whole[:-2] + last * (scans - len(starts)) + whole[-2:]


def test_a_jpeg_of_endless_scans_is_refused(encode: Encode) -> None:
    allowed = progressive_with_scans(encode, MAXIMUM_SCANS)
    assert decode(allowed, maximum_area=10_000, honour_orientation=True).shape == (40, 64, 3)
    with pytest.raises(UndecodableImage, match="scans"):
        decode(
            progressive_with_scans(encode, MAXIMUM_SCANS + 1), maximum_area=10_000, honour_orientation=True
        )


def test_scan_markers_after_the_image_do_not_count(picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode("JPEG") + b"\xff\xda" * 10 * MAXIMUM_SCANS
    assert decode(data, maximum_area=10_000, honour_orientation=True).shape == picture.shape
