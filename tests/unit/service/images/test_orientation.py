"""EXIF orientation of every format."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from service.images.decoding import decode
from tests.unit.service.images.conftest import Encode

OPTIONS: dict[str, dict[str, Any]] = {"TIFF": {}, "JPEG": {"quality": 100, "subsampling": 0}}
"""Formats whose EXIF orientation is applied."""

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def exif(orientation: object) -> Image.Exif:
    content = Image.Exif()
    content[ExifTags.Base.Orientation] = orientation
    return content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", OPTIONS)
def test_upright(kind: str, orientation: int, picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode(kind, exif=exif(orientation), **OPTIONS[kind])
    image = Image.fromarray(picture)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)

    decoded = decode(data, maximum_area=10_000, honour_orientation=True)

    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).max() <= (3 if kind == "JPEG" else 0)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_orientation_of_png_and_webp_is_ignored(
    kind: str, orientation: int, picture: NDArray[np.uint8], encode: Encode
) -> None:
    """`Image::getOrientation` of nextcloud/server returns -1 for every format but JPEG."""
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(kind, exif=exif(orientation), **options)
    assert Image.open(BytesIO(data)).getexif()[ExifTags.Base.Orientation] == orientation
    np.testing.assert_array_equal(decode(data, maximum_area=10_000, honour_orientation=True), picture)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_orientation_in_xmp_does_not_count(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    """PHP's exif_read_data, which Nextcloud uses, reads EXIF alone."""
    data = encode(kind, xmp=XMP)
    assert Image.open(BytesIO(data)).getexif()[ExifTags.Base.Orientation] == 6
    assert decode(data, maximum_area=10_000, honour_orientation=True).shape == picture.shape


def test_orientation_in_a_gifs_xmp_does_not_count(picture: NDArray[np.uint8], encode: Encode) -> None:
    whole = encode("GIF")
    frame = whole.index(b",\0\0\0\0")
    # XMP stands in an application extension as it is, and 258 bytes lead a reader of sub-blocks out of it.
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    data = whole[:frame] + b"!\xff\x0bXMP DataXMP" + XMP + trailer + whole[frame:]
    assert decode(data, maximum_area=10_000, honour_orientation=True).shape == picture.shape


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_as_stored_without_the_setting(
    kind: str, picture: NDArray[np.uint8], encode: Encode
) -> None:
    data = encode(kind, exif=exif(6))
    decoded = decode(data, maximum_area=10_000, honour_orientation=False)
    assert decoded.shape == picture.shape


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_transforms_of_the_container_are_applied(
    kind: str, orientation: int, picture: NDArray[np.uint8], encode: Encode
) -> None:
    image = Image.fromarray(picture)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    # Both encoders write the orientation as the container's own boxes, irot and imir.
    data = encode(kind, quality=95, exif=exif(orientation).tobytes())
    expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)

    decoded = decode(data, maximum_area=10_000, honour_orientation=True)

    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).mean() < 8


@pytest.mark.parametrize(
    "content", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_unreadable_metadata_is_ignored(
    kind: str, content: bytes, picture: NDArray[np.uint8], encode: Encode
) -> None:
    decoded = decode(encode(kind, exif=content), maximum_area=10_000, honour_orientation=True)
    assert decoded.shape == picture.shape


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_leaves_the_photo_as_it_is(
    orientation: int, picture: NDArray[np.uint8], encode: Encode
) -> None:
    decoded = decode(encode("JPEG", exif=exif(orientation)), maximum_area=10_000, honour_orientation=True)
    assert decoded.shape == picture.shape
