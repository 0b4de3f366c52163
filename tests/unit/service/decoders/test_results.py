"""Results of a child equal those of the same call in this process: header, pixels, refusal and its text."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service import ipc
from service.decoders.pool import DecoderPool
from service.images import decoding
from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.memory import FORMATS, Header
from tests.unit.service.decoders.processes import AREA, decoded, header
from tests.unit.service.images import test_memory as largest
from tests.unit.service.images.conftest import Encode


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_a_format(kind: str, encode: Encode, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    data = encode(kind)
    assert runner.run(header(decoders, data)) == decoding.checked_header(data, AREA)
    pixels = runner.run(decoded(decoders, data))
    np.testing.assert_array_equal(
        pixels, decoding.decode(data, maximum_area=AREA, honour_orientation=True), strict=True
    )
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert not decoders.faults


@pytest.mark.parametrize(
    ("kind", "mode"),
    [*((kind, "RGB") for kind in sorted(FORMATS)), ("TIFF", "LAB"), ("TIFF", "CMYK"), ("JPEG", "CMYK")],
)
def test_a_child_opens_no_file(
    kind: str, mode: str, encode: Encode, runner: asyncio.Runner, planted: DecoderPool
) -> None:
    data = encode(kind, Image.new(mode, (64, 40), 90))
    right = decoding.decode(data, maximum_area=AREA, honour_orientation=True)
    np.testing.assert_array_equal(runner.run(decoded(planted, data)), right)
    assert not planted.faults


def test_pixels_are_private(encode: Encode, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    first, second = (runner.run(decoded(decoders, encode("PNG"))) for _ in range(2))
    before = second.copy()
    first[:] = 0
    np.testing.assert_array_equal(second, before)


@pytest.mark.parametrize("honoured", [False, True])
def test_orientation(honoured: bool, encode: Encode, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode("JPEG", exif=exif)

    async def pixels() -> NDArray[np.uint8]:
        with ipc.SealedMemory.of(data) as upload:
            found = await decoders.header(upload, len(data), AREA)
            return await decoders.decode(
                upload, len(data), found, maximum_area=AREA, honour_orientation=honoured
            )

    assert runner.run(pixels()).shape == ((64, 40, 3) if honoured else (40, 64, 3))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"\0\0\0\x18ftypqt  " + b"\0" * 20,
        "\ud800é".encode("utf-16", "surrogatepass"),
    ],
)
def test_a_refused_header(data: bytes, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    with pytest.raises(UndecodableImage) as here:
        decoding.checked_header(data, AREA)
    with pytest.raises(UndecodableImage) as there:
        runner.run(header(decoders, data))
    assert str(there.value) == str(here.value)
    assert not decoders.faults


def test_too_large(encode: Encode, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    with pytest.raises(ImageTooLarge) as here:
        decoding.checked_header(encode("PNG"), 100)
    with pytest.raises(ImageTooLarge) as there:
        runner.run(header(decoders, encode("PNG"), 100))
    assert str(there.value) == str(here.value)
    assert (there.value.width, there.value.height, there.value.limit) == (64, 40, 100)


def test_a_smaller_area_for_the_pixels_than_for_the_header(
    encode: Encode, runner: asyncio.Runner, decoders: DecoderPool
) -> None:
    data = encode("PNG")

    async def pixels() -> None:
        with ipc.SealedMemory.of(data) as upload:
            found = await decoders.header(upload, len(data), AREA)
            await decoders.decode(upload, len(data), found, maximum_area=100, honour_orientation=True)

    with pytest.raises(ImageTooLarge, match="limit is 100"):
        runner.run(pixels())
    assert not decoders.faults


def test_more_pixels_than_the_header_that_memory_is_counted_for(
    encode: Encode, runner: asyncio.Runner, decoders: DecoderPool
) -> None:
    data = encode("PNG")

    async def pixels() -> None:
        with ipc.SealedMemory.of(data) as upload:
            smaller = Header(8, 8, "PNG")
            await decoders.decode(upload, len(data), smaller, maximum_area=AREA, honour_orientation=True)

    with pytest.raises(UndecodableImage):
        runner.run(pixels())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "AVIF"])
def test_a_truncated_image(kind: str, encode: Encode, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    data = encode(kind, Image.effect_noise((300, 300), 90))
    data = data[: len(data) * 2 // 3] if kind != "TIFF" else data[:8] + bytes(50_000) + data[50_008:]
    with pytest.raises(UndecodableImage) as here:
        decoding.decode(data, maximum_area=AREA, honour_orientation=True)
    with pytest.raises(UndecodableImage) as there:
        runner.run(decoded(decoders, data))
    assert str(there.value) == str(here.value)
    assert not decoders.faults


@pytest.mark.parametrize(
    "encoded",
    [
        largest.png_of_16_bits_with_alpha,
        largest.animated_webp,
        largest.tiff_of_six_samples,
        largest.tiff_of_one_wide_row,
        largest.progressive_cmyk_jpeg,
        largest.heif_with_alpha,
        largest.avif_with_alpha,
    ],
)
@pytest.mark.parametrize("side", [64, 2000])
def test_the_largest_kind_of_a_format_is_within_its_limits(
    encoded: Callable[[int], bytes], side: int, runner: asyncio.Runner, decoders: DecoderPool
) -> None:
    assert runner.run(decoded(decoders, encoded(side))).size == side * side * 3
    assert not decoders.faults


@pytest.mark.parametrize("folder", ["formats", pytest.param("dev", marks=pytest.mark.slow)])
def test_every_photo(folder: str, photo_folder: Path, runner: asyncio.Runner, decoders: DecoderPool) -> None:
    def here(data: bytes) -> NDArray[np.uint8] | str:
        try:
            return decoding.decode(data, maximum_area=AREA, honour_orientation=True)
        except (UndecodableImage, ImageTooLarge) as error:
            return str(error)

    async def there(data: bytes) -> NDArray[np.uint8] | str:
        try:
            return await decoded(decoders, data)
        except (UndecodableImage, ImageTooLarge) as error:
            return str(error)

    for path in sorted((photo_folder / folder).iterdir()):
        data = path.read_bytes()
        np.testing.assert_array_equal(runner.run(there(data)), here(data), path.name)
    assert not decoders.faults
