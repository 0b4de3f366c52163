"""Images from paths, bytes, files, arrays and Pillow give the pixels of the decoder."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.reading import ImageSource, read

ORIENTATION = 0x0112
"""EXIF tag."""


def _read(image: ImageSource, *, upright: bool = True) -> NDArray[np.uint8]:
    return read(image, maximum_area=4000, honour_orientation=upright)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def file(pixels: NDArray[np.uint8], tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_every_source_of_a_file_gives_its_pixels(file: Path, pixels: NDArray[np.uint8]) -> None:
    data = file.read_bytes()
    with file.open("rb") as opened:
        sources: list[ImageSource] = [
            str(file),
            file,
            data,
            bytearray(data),
            memoryview(data),
            io.BytesIO(data),
            opened,
        ]
        for source in sources:
            np.testing.assert_array_equal(_read(source), pixels)


def test_an_array_is_returned_as_it_is(pixels: NDArray[np.uint8]) -> None:
    assert _read(pixels) is pixels


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_pillow_image_gives_its_pixels_in_rgb(mode: str, pixels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(pixels).convert(mode)
    np.testing.assert_array_equal(_read(image), np.asarray(image.convert("RGB")))


def test_sixteen_bits_of_gray_are_scaled() -> None:
    gray = np.array([[0, 0x80FF, 0xFFFF]], np.uint16)
    assert _read(Image.fromarray(gray)).tolist() == [[[0] * 3, [0x80] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("upright", [True, False])
def test_orientation_is_honoured_on_request(upright: bool, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (64, 48), "gray").save(path, exif=exif)
    expected = (64, 48, 3) if upright else (48, 64, 3)
    with Image.open(path) as image:
        assert _read(image, upright=upright).shape == expected
    assert _read(path, upright=upright).shape == expected


@pytest.mark.parametrize("wrong", [None, 1, [[[1, 2, 3]]], io.StringIO("text")])
def test_another_type_is_an_error_that_names_the_types(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"an image is a path, .* not {type(wrong).__name__}$"):
        _read(wrong)


def test_errors_of_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _read(tmp_path / "missing.jpg")
    with pytest.raises(IsADirectoryError):
        _read(tmp_path)
    with pytest.raises(UndecodableImage):
        _read(b"no image")
    large = io.BytesIO()
    Image.new("RGB", (100, 41)).save(large, "PNG")
    with pytest.raises(ImageTooLarge):
        _read(large.getvalue())
