"""The limit on the area, checked before any pixel is decoded, and independent of Pillow's limit."""

import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from service.images import pillow
from service.images.decoding import ImageTooLarge, decode, header
from tests.unit.service.images.conftest import Encode

ABOVE_PILLOWS_WARNING = (10_000, 9_000)


def huge_png(width: int, height: int) -> bytes:
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))


def huge_webp(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas


def huge_gif(width: int, height: int) -> bytes:
    """Its frame is larger than its screen of one pixel."""
    return (
        b"GIF89a\1\0\1\0\0\0\0" + b"!\xf9\4\0\0\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    )


@pytest.mark.parametrize("bomb", [huge_png, huge_webp, huge_gif])
def test_bombs_are_refused_by_their_header(bomb: Callable[[int, int], bytes]) -> None:
    data = bomb(16_000, 15_000)
    assert header(data)[:2] == (16_000, 15_000)
    with pytest.raises(ImageTooLarge, match="240000000") as raised:
        decode(data, maximum_area=8_294_400, honour_orientation=True)
    assert (raised.value.width, raised.value.height, raised.value.limit) == (16_000, 15_000, 8_294_400)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_the_limit_is_inclusive(kind: str, encode: Encode) -> None:
    data = encode(kind)
    assert decode(data, maximum_area=64 * 40, honour_orientation=True).shape == (40, 64, 3)
    with pytest.raises(ImageTooLarge):
        decode(data, maximum_area=64 * 40 - 1, honour_orientation=True)


@pytest.mark.not_quick
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("TIFF", "1")])
def test_pillows_limit_is_ignored(kind: str, mode: str, encode: Encode) -> None:
    width, height = ABOVE_PILLOWS_WARNING
    assert Image.MAX_IMAGE_PIXELS is not None
    assert width * height > Image.MAX_IMAGE_PIXELS
    options = {"compression": "group4"} if kind == "TIFF" else {}
    data = encode(kind, Image.new(mode, (width, height), 1), **options)
    assert decode(data, maximum_area=256_000_000, honour_orientation=True).shape == (height, width, 3)


def test_importing_changes_no_global_setting_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS == 1024 * 1024 * 1024 // 4 // 3
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert "EPS" not in pillow.READERS


def test_many_threads_get_the_same_pixels_and_leave_the_warnings_alone(encode: Encode) -> None:
    before = list(warnings.filters)
    files = [encode(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "GIF")]
    alone = [decode(data, maximum_area=10_000, honour_orientation=True) for data in files]
    barrier = threading.Barrier(8)

    def all_of_them(first: int) -> list[NDArray[np.uint8]]:
        barrier.wait()
        order = files[first:] + files[:first]
        decoded = [
            decode(data, maximum_area=10_000, honour_orientation=True) for _ in range(5) for data in order
        ]
        return decoded[len(files) - first :][: len(files)] if first else decoded[: len(files)]

    with ThreadPoolExecutor(8) as pool:
        for decoded in pool.map(all_of_them, range(8)):
            for ours, expected in zip(decoded, alone, strict=True):
                np.testing.assert_array_equal(ours, expected)
    assert list(warnings.filters) == before


def test_warnings_of_damaged_metadata_stay_inside_and_others_pass() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pillow.quiet:
            warnings.warn("ours", UserWarning, stacklevel=1)
            warnings.warn_explicit("Pillow's", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
    assert [str(warning.message) for warning in seen] == ["ours"]


def test_no_temporary_file_is_written(
    encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"):
        decode(encode(kind), maximum_area=10_000, honour_orientation=True)
