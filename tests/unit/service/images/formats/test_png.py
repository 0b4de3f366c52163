"""PNG: default image of an animation, compressed metadata, missing chunks and too many chunks."""

import json
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.images.decoding import UndecodableImage, decode
from service.images.formats import png
from tests.paths import ROOT
from tests.unit.service.images.conftest import Encode

WIDTH, HEIGHT = 48, 40
FRAME_WIDTH, FRAME_HEIGHT, FRAME_LEFT, FRAME_TOP = 24, 20, 16, 16
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type to samples a pixel (PNG specification, table 8)."""
PIXEL_TYPES = [
    *product((0,), (1, 2, 4, 8, 16)),
    *product((2,), (8, 16)),
    *product((3,), (1, 2, 4, 8)),
    *product((4, 6), (8, 16)),
]
"""Every colour type with every bit depth that it allows (section 11.2.1)."""
DISPOSALS = {"none": 0, "background": 1, "previous": 2}
BLENDS = {"source": 0, "over": 1}
RNG = np.random.default_rng(14)

Chunk = tuple[bytes, bytes]


def pixels(data: bytes) -> NDArray[np.uint8]:
    return decode(data, maximum_area=1_000_000, honour_orientation=True)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def file_of(*chunks: Chunk) -> bytes:
    return png.SIGNATURE + b"".join(chunk(*each) for each in chunks)


def samples(width: int, height: int, colour_type: int, depth: int) -> bytes:
    """Random pixels as IDAT has them."""
    row = -(-width * CHANNELS[colour_type] * depth // 8)
    return zlib.compress(b"".join(b"\0" + RNG.bytes(row) for _ in range(height)))


def frame_control(
    number: int, disposal: int, blend: int, width: int, height: int, left: int = 0, top: int = 0
) -> Chunk:
    return b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 10, disposal, blend)


def still_and_animated(
    colour_type: int, depth: int, disposal: int, blend: int, *, default_is_first: bool
) -> tuple[bytes, bytes]:
    """A PNG, and the same with an animation of three frames, of which two are smaller than the image."""
    header = b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 0)
    palette = [(b"PLTE", RNG.bytes(3 << depth)), (b"tRNS", RNG.bytes(1 << depth))] if colour_type == 3 else []
    image = b"IDAT", samples(WIDTH, HEIGHT, colour_type, depth)
    end = b"IEND", b""

    def frames() -> Iterator[Chunk]:
        for number in range(1, 7, 2):
            yield frame_control(number, disposal, blend, FRAME_WIDTH, FRAME_HEIGHT, FRAME_LEFT, FRAME_TOP)
            pixels = samples(FRAME_WIDTH, FRAME_HEIGHT, colour_type, depth)
            yield b"fdAT", struct.pack(">I", number + 1) + pixels

    first = [frame_control(0, disposal, blend, WIDTH, HEIGHT)] if default_is_first else []
    count = b"acTL", struct.pack(">II", 3 + default_is_first, 0)
    return (
        file_of(header, *palette, image, end),
        file_of(header, count, *palette, *first, image, *frames(), end),
    )


HASHES = """
import hashlib, json, sys
from pathlib import Path
from service.images import decoding
print(json.dumps({
    path.name: hashlib.sha256(
        decoding.decode(path.read_bytes(), maximum_area=10**6, honour_orientation=False).tobytes()
    ).hexdigest()
    for path in Path(sys.argv[1]).iterdir()
}))
"""


def hashes_in_a_process_of_its_own(folder: Path) -> dict[str, str]:
    """The pixels' hashes by file name; a decoder that corrupts the heap ends that process."""
    finished = subprocess.run(
        [sys.executable, "-c", HASHES, folder],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "MALLOC_PERTURB_": "85"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, (finished.returncode, finished.stderr[-1000:])
    answer: dict[str, str] = json.loads(finished.stdout)
    return answer


def test_an_animation_of_any_pixel_type_is_its_default_image(tmp_path: Path) -> None:
    kinds = list(product(PIXEL_TYPES, DISPOSALS, BLENDS, (True, False)))
    for number, ((colour_type, depth), disposal, blend, default_is_first) in enumerate(kinds):
        still, animated = still_and_animated(
            colour_type, depth, DISPOSALS[disposal], BLENDS[blend], default_is_first=default_is_first
        )
        (tmp_path / f"still {number}").write_bytes(still)
        (tmp_path / f"animated {number}").write_bytes(animated)

    hashes = hashes_in_a_process_of_its_own(tmp_path)

    assert len(hashes) == 2 * len(kinds) == 2 * 15 * 3 * 2 * 2
    different = [
        kind for number, kind in enumerate(kinds) if hashes[f"still {number}"] != hashes[f"animated {number}"]
    ]
    assert different == []


HEADER = b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
IMAGE = b"IDAT", samples(WIDTH, HEIGHT, 2, 8)
END = b"IEND", b""
CONTROL = b"acTL", struct.pack(">II", 2, 0)


ODD_ANIMATIONS = {
    "no frames": (HEADER, (b"acTL", bytes(8)), IMAGE, END),  # OpenCV refuses it
    "endless frames": (HEADER, (b"acTL", b"\xff" * 8), IMAGE, END),
    "empty acTL": (HEADER, (b"acTL", b""), IMAGE, END),
    "acTL behind the image": (HEADER, IMAGE, CONTROL, END),
    "empty fdAT": (HEADER, CONTROL, IMAGE, (b"fdAT", b""), END),
    "fdAT before the image": (HEADER, CONTROL, (b"fdAT", b"\0\0\0\1" + IMAGE[1]), IMAGE, END),
    "unknown operations": (HEADER, CONTROL, frame_control(0, 7, 7, WIDTH, HEIGHT), IMAGE, END),
    "huge frame": (HEADER, CONTROL, frame_control(0, 1, 0, 2**31, 2**31, 2**31, 2**31), IMAGE, END),
    "frame outside": (HEADER, CONTROL, IMAGE, frame_control(0, 1, 0, WIDTH, HEIGHT, WIDTH, HEIGHT), END),
}


def test_animation_chunks_of_any_content_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "still").write_bytes(file_of(HEADER, IMAGE, END))
    for name, chunks in ODD_ANIMATIONS.items():
        (tmp_path / name).write_bytes(file_of(*chunks))
    hashes = hashes_in_a_process_of_its_own(tmp_path)
    assert hashes == dict.fromkeys([*ODD_ANIMATIONS, "still"], hashes["still"])


def test_all_other_bytes_are_kept() -> None:
    other = (b"abCd", b"private"), (b"pHYs", bytes(9)), (b"tEXt", b"Title\0a")
    plain = file_of(HEADER, *other, IMAGE, END) + b"behind the end"
    assert png.without_dropped_chunks(plain) is plain
    animated = file_of(HEADER, other[0], CONTROL, *other[1:], IMAGE, (b"fdAT", b"x"), END) + b"behind the end"
    assert png.without_dropped_chunks(animated) == plain


def test_metadata_are_not_inflated() -> None:
    """A megabyte of them would be a gigabyte."""
    bomb = zlib.compress(bytes(7_900_000), 9)
    metadata = (
        (b"zTXt", b"key\0\0" + bomb),
        (b"iTXt", b"key\0\1\0\0\0" + bomb),
        (b"iCCP", b"key\0\0" + bomb),
    )
    data = file_of(HEADER, *metadata * 20, IMAGE, END)
    before = resource.getrusage(resource.RUSAGE_SELF)
    pixels = decode(data, maximum_area=10_000, honour_orientation=True)
    after = resource.getrusage(resource.RUSAGE_SELF)
    np.testing.assert_array_equal(
        pixels, decode(file_of(HEADER, IMAGE, END), maximum_area=10_000, honour_orientation=True)
    )
    assert after.ru_utime - before.ru_utime < 0.5
    assert (after.ru_maxrss - before.ru_maxrss) * 1024 < 50_000_000


@pytest.mark.parametrize("end", range(33))
def test_a_file_cut_within_its_header_is_refused(end: int, encode: Encode) -> None:
    data = encode("PNG")[:end]
    with pytest.raises(UndecodableImage):
        decode(data, maximum_area=10_000, honour_orientation=True)


def test_too_many_chunks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MAXIMUM_CHUNKS", 9)
    allowed, refused = (file_of(HEADER, IMAGE, *[(b"IDAT", b"")] * empty, END) for empty in (6, 7))
    assert decode(allowed, maximum_area=10_000, honour_orientation=True).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(UndecodableImage, match="chunks"):
        decode(refused, maximum_area=10_000, honour_orientation=True)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_that_libpng_ignores(depth: int) -> None:
    header = b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, 2, 0, 0, 0)
    image = b"IDAT", samples(WIDTH, HEIGHT, 2, depth)
    plain, behind, too_long = (
        decode(file_of(header, *chunks, END), maximum_area=10_000, honour_orientation=True)
        for chunks in ((image,), (image, (b"tRNS", bytes(6))), ((b"tRNS", bytes(60)), image))
    )
    np.testing.assert_array_equal(behind, plain)
    np.testing.assert_array_equal(too_long, plain)
    assert plain.any()


def test_truncated_png_is_refused(encode: Encode) -> None:
    data = encode("PNG")
    with pytest.raises(UndecodableImage, match="truncated"):
        pixels(data[: len(data) // 2])


def test_sixteen_bit_colour_is_scaled(picture: NDArray[np.uint8]) -> None:
    _, data = cv2.imencode(".png", picture[:, :, ::-1].astype(np.uint16) * 256 + 77)
    np.testing.assert_array_equal(pixels(data.tobytes()), picture)


def test_transparent_palette_is_over_black(encode: Encode) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    decoded = pixels(encode("PNG", image, transparency=bytes([255, 128])))
    assert tuple(decoded[0, 0]) == (200 * 128 >> 8, 100 * 128 >> 8, 50 * 128 >> 8)
