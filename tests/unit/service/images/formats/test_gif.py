"""The first frame of a GIF: blocks before and after it, its screen, and the size in its header."""

import struct
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from service.images.decoding import UndecodableImage, decode, header

GRAY = bytes(level for index in range(4) for level in [index * 80] * 3)
RED = b"\xff\0\0" + bytes(9)
CONTROL = b"!\xf9\4\0\0\0\0\0"


def frame(
    width: int, height: int, left: int = 0, top: int = 0, palette: bytes = b"", interlaced: bool = False
) -> bytes:
    """A frame whose rows have the colours 0, 1, 2, 3, 0 ..., in codes of three bits, the table cleared at every two."""
    flags = (0x81 if palette else 0) | 0x40 * interlaced
    order = list(range(height))
    if interlaced:
        order = sorted(
            order, key=lambda row: next(at for at, step in enumerate((8, 4, 2, 1)) if row % step == 0)
        )
    indices = [row % 4 for row in order for _ in range(width)]
    codes = [code for at in range(0, len(indices), 2) for code in [4, *indices[at : at + 2]]] + [5]
    bits = np.array([[code >> bit & 1 for bit in range(3)] for code in codes], np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
    data = b"".join(bytes([len(block)]) + block for block in blocks)
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette + b"\2" + data + b"\0"


def gif(*parts: bytes, width: int = 16, height: int = 24, palette: bytes = GRAY) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x81 if palette else 0, 0, 0)
    return b"".join([b"GIF89a", screen, palette, *parts, b";"])


def pixels(data: bytes) -> NDArray[np.uint8]:
    decoded = decode(data, maximum_area=1_000_000, honour_orientation=True)
    assert header(data)[:2] == (decoded.shape[1], decoded.shape[0])
    return decoded


def rows(height: int = 24, width: int = 16) -> NDArray[np.int64]:
    return np.broadcast_to((np.arange(height) % 4 * 80)[:, None, None], (height, width, 3))


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\0",
        bytes(1000),
        b"\0\1junk\xff",
        CONTROL + bytes(3),
        bytes(3) + CONTROL,
        b"!\xfe\5hello\0!\xfe\0" + CONTROL,
        b"!\xf9\0",  # an extension without content
        b"!\x01\0\0\0",
        b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0" + CONTROL,
        b"!\xf9\2\1\0\0",  # too short to name a colour
        (b"!\xfe" + b"\1,\1!\1;" * 10 + b"\0") * 3,
    ],
    ids=repr,
)
def test_blocks_before_the_frame_are_skipped(before: bytes) -> None:
    np.testing.assert_array_equal(pixels(gif(before, frame(16, 24))), rows())


@pytest.mark.parametrize(
    "after", [b"", bytes(500), b"\0!\xfe\0,", frame(16, 24, palette=RED), b";" * 90 + b"junk"]
)
def test_bytes_after_the_frame_are_ignored(after: bytes) -> None:
    np.testing.assert_array_equal(pixels(gif(frame(16, 24), after)), rows())


def test_a_frame_beyond_the_screen_and_one_within() -> None:
    beyond = pixels(gif(frame(16, 24, left=3, top=2), width=1, height=1))
    assert beyond.shape == (26, 19, 3)
    np.testing.assert_array_equal(beyond[2:, 3:], rows())
    np.testing.assert_array_equal(pixels(gif(frame(8, 4, left=8, top=20)))[20:, 8:], rows(4, 8))


def test_interlaced() -> None:
    np.testing.assert_array_equal(pixels(gif(frame(16, 24, interlaced=True))), rows())


def test_a_palette_of_its_own_and_none() -> None:
    own = pixels(gif(frame(16, 24, palette=RED)))
    np.testing.assert_array_equal(own[::4], np.broadcast_to([255, 0, 0], (6, 16, 3)))
    assert not own[1::4].any()
    assert pixels(gif(frame(16, 24), palette=b"")).shape == (24, 16, 3)


def test_a_transparent_colour_is_the_colour() -> None:
    transparent = b"!\xf9\4\1\0\0\2\0"
    np.testing.assert_array_equal(pixels(gif(transparent, frame(16, 24))), rows())
    around = pixels(gif(transparent, bytes(2), frame(8, 4)))
    np.testing.assert_array_equal(around[10], np.broadcast_to(160, (16, 3)))


@pytest.mark.parametrize("content", [b"", bytes(100), CONTROL, b"!\xfe\5hello\0", b";" + frame(16, 24)])
def test_no_frame(content: bytes) -> None:
    with pytest.raises(UndecodableImage, match="no frame"):
        header(gif(content))


@pytest.mark.not_quick
@pytest.mark.parametrize("filler", [b"\0", b"!\xfe\0", b"!\xfe\1x\0", b"!\xf9\4\1\0\0\2\0"])
def test_a_megabyte_before_the_frame_is_skipped_fast(filler: bytes) -> None:
    data = gif(filler * (1_000_000 // len(filler)), frame(16, 24))
    started = time.thread_time()
    np.testing.assert_array_equal(pixels(data), rows())
    assert time.thread_time() - started < 3
