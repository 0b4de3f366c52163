"""Photos come out upright, as the EXIF orientation says."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from service.images import decode

from .conftest import Encode

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "JPEG": {"quality": 100, "subsampling": 0},
}


def exif(orientation: object) -> Image.Exif:
    content = Image.Exif()
    content[ExifTags.Base.Orientation] = orientation
    return content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", LOSSLESS)
def test_upright(kind: str, orientation: int, picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode(kind, exif=exif(orientation), **LOSSLESS[kind])
    image = Image.fromarray(picture)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)

    decoded = decode(data, maximum_area=10_000, honour_orientation=True)

    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).max() <= (3 if kind == "JPEG" else 0)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_as_stored_if_asked_so(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    data = encode(kind, exif=exif(6))
    decoded = decode(data, maximum_area=10_000, honour_orientation=False)
    assert decoded.shape == picture.shape


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_turns_of_the_container(
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
def test_unreadable_metadata_is_no_metadata(
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
