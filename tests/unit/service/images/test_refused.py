"""Refused formats, whose decoders are too expensive, and files that would reach these decoders indirectly."""

import struct

import cv2
import pytest
from PIL import Image
from pillow_heif import libheif_info

from service.images import errors, opencv
from service.images.decoding import UndecodableImage, decode, header
from tests.unit.service.images.conftest import Encode

JPEG_2000_COMPRESSIONS = (34712, 33003, 33005)
"""TIFF tag 259 for JPEG 2000: as registered, and Aperio's two."""


@pytest.mark.parametrize(("kind", "options"), [("JPEG2000", {}), ("JPEG2000", {"no_jp2": True}), ("PPM", {})])
def test_formats_that_are_not_accepted(kind: str, options: dict[str, object], encode: Encode) -> None:
    with pytest.raises(UndecodableImage, match="JPEG 2000 and PPM are not accepted"):
        header(encode(kind, **options))


@pytest.mark.parametrize("kind", ["JPEG2000", "PPM"])
def test_no_other_signature_leads_to_their_decoders(
    kind: str, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV detects formats itself: a file with the signature of another format must not reach it."""
    monkeypatch.setattr(cv2, "imdecode", None)
    if kind == "JPEG2000":
        # The size's offset is such that the width is 64; the canvas of a WebP stands in the size of its tiles.
        plain = encode(kind, no_jp2=True)
        assert plain[:2] == b"\xff\x4f"
        sizes = (
            b"WEBP" + b"VP8X" + struct.pack(">II", int.from_bytes(b"WEBP") - 64, int.from_bytes(b"VP8X") - 40)
        )
        data = plain[:8] + sizes + plain[24:]
    else:
        data = b"P6 #    WEBPVP8X" + encode(kind)[2:]
    with pytest.raises(UndecodableImage, match="RIFF"):
        decode(data, maximum_area=2**50, honour_orientation=True)


@pytest.mark.parametrize("compression", JPEG_2000_COMPRESSIONS)
def test_tiff_with_jpeg_2000_inside(compression: int, encode: Encode) -> None:
    data = bytearray(encode("TIFF", compression="raw"))
    entry = data.index(struct.pack("<HHIH", 259, 3, 1, 1))
    struct.pack_into("<H", data, entry + 8, compression)
    with pytest.raises(UndecodableImage):
        decode(bytes(data), maximum_area=10_000, honour_orientation=True)


@pytest.mark.parametrize("compression", [4, 5], ids=["JPEG", "PNG"])
def test_bmp_with_another_image_inside(compression: int, encode: Encode) -> None:
    inner = encode("JPEG" if compression == 4 else "PNG")
    fields = (40, 64, 40, 1, 0, compression, len(inner), 0, 0, 0, 0)
    data = (
        struct.pack("<2sIHHI", b"BM", 54 + len(inner), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", *fields)
        + inner
    )
    with pytest.raises(UndecodableImage):
        decode(data, maximum_area=10_000, honour_orientation=True)
    with pytest.raises(UndecodableImage):
        opencv.rgb(data)


def test_libheif_decodes_hevc_alone() -> None:
    """HEIF may contain JPEG, JPEG 2000 and uncompressed pixels too, without a limit of libheif."""
    assert libheif_info()["decoders"].keys() == {"libde265"}


def test_unexpected_exceptions_are_errors_of_the_image(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Type and location are logged once, without content of the photo."""
    errors._log_once.cache_clear()
    for unexpected in (
        IndexError("secret"),
        ValueError("secret"),
        RecursionError("secret"),
        SystemError("secret"),
    ):

        def stopping(*_: object, unexpected: Exception = unexpected) -> object:
            raise unexpected

        monkeypatch.setattr(opencv, "image_header", stopping)
        for _ in range(3):
            with pytest.raises(UndecodableImage, match=type(unexpected).__name__) as raised:
                decode(encode("PNG"), maximum_area=10_000, honour_orientation=True)
            assert raised.value.__cause__ is unexpected
            assert "secret" not in str(raised.value)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in lines] == ["WARNING"] * 4
    assert all("images/opencv.py:" in line and "secret" not in line for _, line in lines)


def test_a_memory_error_is_not_converted(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(cv2, "imdecode", without_memory)
    with pytest.raises(MemoryError):
        decode(encode("PNG", Image.new("RGB", (8, 8))), maximum_area=10_000, honour_orientation=True)
