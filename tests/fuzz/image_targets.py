"""Image decoders, one target per format."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from tests.fuzz.target import AREA, Loaded, Target, words

MEMORY = (128 << 20) + (os.cpu_count() or 1) * (16 << 20)
"""Bytes: AREA times the 3 to 10 bytes per pixel of the decoders, and thread stacks. The pools of libavif and of libheif
have a stack of 8 MiB per core each."""

_EXIF = (b"Exif\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0")

_TOKENS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "jpeg": (
            *(bytes((0xFF, marker)) for marker in range(0xC0, 0xF0)),
            *(b"\xff\x01", b"\xff\xfe", b"\xff\xff", b"\xff\0", b"JFIF\0", b"Adobe\0", *_EXIF),
        ),
        "png": (
            *words(
                b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP eXIf zTXt acTL fcTL fdAT sBIT bKGD cICP iTXt"
            ),
            *_EXIF,
        ),
        "webp": (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ", *_EXIF),
        "gif": (b"!\xf9\x04", b"!\xff\x0bNETSCAPE2.0", b"!\xfe", b",", b";", b"\0"),
        "bmp": (b"\0\0", b"\0\1", b"\0\2", b"\x28\0\0\0", b"\x0c\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"),
        "tiff": tuple(
            tag.to_bytes(2, order) + kind.to_bytes(2, order)
            for order in ("little", "big")
            for kind in (3, 4, 16)
            for tag in (*range(254, 285), 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 530, 34665)
        ),
        "avif": words(b"ftyp avif avis mif1 meta iloc iinf iprp ipco ispe av1C irot"),
        "heif": words(b"ftyp heic mif1 msf1 meta iloc iinf iprp ipco ispe hvcC grid"),
    }
)

_WEIGHTS = {"jpeg": 3, "png": 3, "webp": 2, "gif": 1, "bmp": 1, "tiff": 2, "avif": 2, "heif": 2}


def decoder() -> Loaded:
    """Header, orientation and pixels of an image."""
    import numpy as np

    from service.images import decoding
    from service.images.orientation import orientation

    def execute(data: bytes) -> None:
        found = decoding.checked_header(data, AREA)
        assert 1 <= found.width * found.height <= AREA
        orientation(data, found.format)
        pixels = decoding.decode(data, maximum_area=AREA, honour_orientation=True)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.flags.c_contiguous

    return Loaded(execute, (decoding.UndecodableImage, decoding.ImageTooLarge))


TARGETS: Mapping[str, Target] = MappingProxyType(
    {name: Target(decoder, tokens, memory=MEMORY, weight=_WEIGHTS[name]) for name, tokens in _TOKENS.items()}
)
