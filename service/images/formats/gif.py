"""The first frame of a GIF, found as browsers and giflib find it.

Pillow decodes it from a copy without the blocks before it. Pillow looks for the frame byte by byte, a second for a
megabyte of padding, and takes an extension without content for the start of a longer one.

Section numbers are those of the GIF89a specification (CompuServe, 1990).
"""

import re
import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.images import pillow
from service.images.errors import UndecodableImage

SCREEN = struct.Struct("<HHB")
"""Width, height and flags of the logical screen (section 18), after the signature of six bytes."""
SCREEN_AT, PALETTE_AT = 6, 13
FRAME = struct.Struct("<HHHH")
"""Left, top, width and height in an image descriptor (section 20), after its separator."""

BLOCK = re.compile(rb"[!,;]")
"""Starts of an extension, a frame and the trailer. GIF87a has readers skip all other bytes between blocks."""
GRAPHIC_CONTROL, TRANSPARENT = 0xF9, 1
"""Label of the extension that may make a colour transparent, and the flag that does so (section 23)."""


class Frame(NamedTuple):
    """Position of the first frame, and size of the picture with it."""

    width: int
    height: int
    start: int
    """Byte of the frame's separator."""
    control: bytes
    """The extension that gives its transparent colour, if any: where a frame leaves the screen free, this shows."""


def first_frame(data: bytes) -> Frame:
    """The screen, grown to the first frame where that reaches beyond it: so large is what Pillow decodes.

    Raises UndecodableImage where there is no frame; IndexError or struct.error where the file ends before.
    """
    screen_width, screen_height, flags = SCREEN.unpack_from(data, SCREEN_AT)
    position, control = PALETTE_AT + _palette_bytes(flags), b""
    while (found := BLOCK.search(data, position)) and found[0] == b"!":
        start = found.start()
        position = start + 2
        while data[position]:
            position += 1 + data[position]
        position += 1
        if data[start + 1] == GRAPHIC_CONTROL and data[start + 2] >= 4 and data[start + 3] & TRANSPARENT:
            control = data[start:position]
    if not found or found[0] == b";":
        raise UndecodableImage("The GIF file holds no frame.")
    left, top, width, height = FRAME.unpack_from(data, found.end())
    return Frame(max(screen_width, left + width), max(screen_height, top + height), found.start(), control)


def rgb(data: bytes) -> NDArray[np.uint8]:
    """A GIF's first frame on its screen to (H, W, 3) RGB, transparent colours as they are. Raises UndecodableImage."""
    frame = first_frame(data)
    flags = SCREEN.unpack_from(data, SCREEN_AT)[2]
    whole = memoryview(data)
    still = b"".join((whole[: PALETTE_AT + _palette_bytes(flags)], frame.control, whole[frame.start :]))
    with pillow.open_image(still, "GIF") as image:
        return pillow.to_rgb(image)


def _palette_bytes(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0
