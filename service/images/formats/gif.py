"""The first frame of a GIF, located as by browsers and giflib.

Pillow decodes the frame from a copy without the blocks before it. Pillow's own search for the frame, byte by byte,
takes a second for a megabyte of padding. It also misreads an extension without content as the start of a longer one.

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
"""First bytes of an extension, a frame and the trailer. By GIF87a, readers skip all other bytes between blocks."""
GRAPHIC_CONTROL, TRANSPARENT = 0xF9, 1
"""Label of the extension that may make a colour transparent, and the flag that does so (section 23)."""


class Frame(NamedTuple):
    """Position of the first frame, and size of the decoded picture."""

    width: int
    height: int
    start: int
    """Position of the frame's separator, in bytes."""
    control: bytes
    """The extension with its transparent colour, if any: Pillow fills the screen outside of the frame with it."""


def first_frame(data: bytes) -> Frame:
    """Locate the first frame. The size is that of Pillow's result: the screen, enlarged to include the frame.

    Raises UndecodableImage if there is no frame; IndexError or struct.error if the file ends early.
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
    """Decode a GIF's first frame on its screen to (H, W, 3) RGB, without transparency. Raises UndecodableImage."""
    frame = first_frame(data)
    flags = SCREEN.unpack_from(data, SCREEN_AT)[2]
    whole = memoryview(data)
    copy = b"".join((whole[: PALETTE_AT + _palette_bytes(flags)], frame.control, whole[frame.start :]))
    with pillow.open_image(copy, "GIF") as image:
        return pillow.to_rgb(image)


def _palette_bytes(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0
