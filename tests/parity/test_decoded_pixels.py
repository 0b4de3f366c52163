"""Decoded pixels against dlib's: recorded ones of a build on libjpeg-turbo, and live ones of the installed wheel.

record_pixels.py writes decoded_pixels.json: hashes of pixels by the hash of the file.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from service.images.decoding import ImageTooLarge, UndecodableImage, decode
from tests.parity.record_pixels import SIGNATURES

RECORD: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("decoded_pixels.json").read_text())

MAXIMUM_AREA = 64_000_000
"""Pixels: more than any photo of the corpora, and less than the 400 MP bomb, which dlib would decode."""


def result(data: bytes) -> dict[str, object] | str:
    try:
        pixels = decode(data, maximum_area=MAXIMUM_AREA, honour_orientation=False)
    except (UndecodableImage, ImageTooLarge) as error:
        return type(error).__name__
    height, width, _ = pixels.shape
    return {"height": height, "width": width, "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def expected(recorded: dict[str, Any]) -> dict[str, object] | str:
    if "error" in recorded:
        return UndecodableImage.__name__
    if recorded["height"] * recorded["width"] > MAXIMUM_AREA:
        return ImageTooLarge.__name__
    return recorded


def differences(paths: Iterable[Path]) -> tuple[int, dict[str, object]]:
    """Number of compared files, and the results that differ from dlib's, by file name."""
    compared = 0
    different: dict[str, object] = {}
    for path in paths:
        data = path.read_bytes()
        if not data.startswith(SIGNATURES):
            continue
        record = RECORD["images"].get(hashlib.sha256(data).hexdigest())
        if record is None:
            continue  # not in the recorded folder; callers check the number of compared files
        compared += 1
        if (ours := result(data)) != expected(record["source"]):
            different[path.name] = ours
    return compared, different


def test_recorded_dlib_uses_libjpeg_turbo() -> None:
    codecs = RECORD["decoders"]["source"]["codecs"]
    assert any(codec.startswith("libjpeg-turbo") for codec in codecs)


def test_photos_of_packages_have_dlibs_pixels(photos: dict[str, Path]) -> None:
    compared, different = differences(photos.values())
    assert different == {}
    assert compared == len(photos)


@pytest.mark.parametrize("folder", ["dev", "formats"])
def test_photo_folder_has_dlibs_pixels(photo_folder: Path, folder: str) -> None:
    compared, different = differences(sorted((photo_folder / folder).iterdir()))
    assert different == {}
    assert compared > 40


# PNG is lossless: any dlib has the same pixels, so the reference for every kind of PNG is the installed wheel.

SIDE = 64
RNG = np.random.default_rng(20)


def png(samples: NDArray[np.uint16], depth: int, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG from samples of shape (H, W, C), values below 2**depth."""
    height, width, _ = samples.shape
    bits = samples.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1, dtype=np.uint16) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def random_samples(depth: int, channels: int) -> NDArray[np.uint16]:
    return RNG.integers(0, 1 << depth, (SIDE, SIDE, channels), dtype=np.uint16)


def dlib_pixels(data: bytes, folder: Path) -> NDArray[np.uint8]:
    path = folder / "image"
    path.write_bytes(data)
    pixels: NDArray[np.uint8] = dlib.load_rgb_image(str(path))
    return pixels


def our_pixels(data: bytes) -> NDArray[np.uint8]:
    return decode(data, maximum_area=MAXIMUM_AREA, honour_orientation=False)


GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = [*((GRAY, depth) for depth in (1, 2, 4, 8)), *((PALETTE, depth) for depth in (1, 2, 4, 8)), (RGB, 8)]


@pytest.mark.parametrize(("colour_type", "depth"), [*KINDS, (GRAY_ALPHA, 8), (RGB_ALPHA, 8)])
def test_every_kind_of_png(colour_type: int, depth: int, tmp_path: Path) -> None:
    samples = random_samples(depth, CHANNELS[colour_type])
    palette = [(b"PLTE", RNG.bytes(3 << depth))] if colour_type == PALETTE else []
    data = png(samples, depth, colour_type, *palette)
    np.testing.assert_array_equal(our_pixels(data), dlib_pixels(data, tmp_path))


@pytest.mark.parametrize(("colour_type", "depth"), KINDS)
def test_every_kind_of_png_with_one_transparent_colour(colour_type: int, depth: int, tmp_path: Path) -> None:
    samples = random_samples(depth, CHANNELS[colour_type])
    if colour_type == PALETTE:
        chunks = [(b"PLTE", RNG.bytes(3 << depth)), (b"tRNS", bytes(range((1 << depth) // 2)))]
    else:
        chunks = [(b"tRNS", samples[0, 0].astype(">u2").tobytes())]
    data = png(samples, depth, colour_type, *chunks)
    np.testing.assert_array_equal(our_pixels(data), dlib_pixels(data, tmp_path))


@pytest.mark.parametrize("colour_type", [GRAY, RGB, GRAY_ALPHA, RGB_ALPHA])
def test_scales_sixteen_bits_where_dlib_truncates_or_clips(colour_type: int, tmp_path: Path) -> None:
    samples = random_samples(16, CHANNELS[colour_type])
    data = png(samples, 16, colour_type)
    scaled = png(samples >> np.uint16(8), 8, colour_type)
    np.testing.assert_array_equal(our_pixels(data), our_pixels(scaled))

    if colour_type in (GRAY, GRAY_ALPHA):
        dlibs = np.minimum(samples[:, :, :1], 255).repeat(3, axis=2)
    else:
        dlibs = dlib_pixels(png(samples & np.uint16(0xFF), 8, colour_type), tmp_path)
    np.testing.assert_array_equal(dlib_pixels(data, tmp_path), dlibs)
