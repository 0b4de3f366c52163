"""Decoded pixels of every format against the encoded picture."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.images.decoding import DECODERS, UndecodableImage, decode, header
from tests.unit.service.images.conftest import Encode

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
}
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 95},
    "HEIF": {"quality": 95},
    "GIF": {},
    "TIFF": {"compression": "jpeg", "quality": 95},
}


def pixels(data: bytes) -> NDArray[np.uint8]:
    return decode(data, maximum_area=1_000_000, honour_orientation=True)


def test_every_format_is_tested() -> None:
    assert DECODERS.keys() == LOSSLESS.keys() | LOSSY.keys()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    decoded = pixels(encode(kind, **LOSSLESS[kind]))
    np.testing.assert_array_equal(decoded, picture)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    decoded = pixels(encode(kind, **LOSSY[kind]))
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 8
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("kind", LOSSLESS | LOSSY)
def test_header(kind: str, encode: Encode) -> None:
    assert header(encode(kind))[:3] == (64, 40, kind)


@pytest.mark.parametrize("kind", LOSSLESS | LOSSY)
def test_one_pixel(kind: str, encode: Encode) -> None:
    assert pixels(encode(kind, Image.new("RGB", (1, 1), (200, 200, 200)))).shape == (1, 1, 3)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_first_frame_of_an_animation(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    first = Image.fromarray(picture).quantize(64).convert("RGB")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(
        kind, first, save_all=True, append_images=[Image.new("RGB", first.size)], duration=50, **options
    )
    np.testing.assert_array_equal(pixels(data), np.asarray(first))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_gray_is_scaled(kind: str, encode: Encode) -> None:
    gray = np.linspace(0, 65535, 64 * 40).reshape(40, 64).astype(np.uint16)
    decoded = pixels(encode(kind, Image.fromarray(gray)))
    np.testing.assert_array_equal(decoded, (gray >> 8)[:, :, None].repeat(3, axis=2))


def test_alpha_of_other_formats_is_dropped(picture: NDArray[np.uint8], encode: Encode) -> None:
    image = Image.fromarray(picture).convert("RGBA")
    image.putalpha(60)
    for kind, options in (("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        np.testing.assert_array_equal(pixels(encode(kind, image, **options)), picture)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"<html>", b"P6", b"BM", b"GIF89a", b"%!PS-Adobe-3.0"]
)
def test_rejects_other_bytes(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        header(data)


def test_trailing_bytes_are_ignored(picture: NDArray[np.uint8], encode: Encode) -> None:
    np.testing.assert_array_equal(pixels(encode("PNG") + b"trailing"), picture)
