"""Decoding by Pillow: metadata, and the formats that OpenCV decodes differently from dlib or not at all.

Pillow's global state is not changed. Its readers are constructed directly, without Image.open. Image.open would
warn above 89 MP, fail above 179 MP, and try formats that are not accepted (PostScript among them). It would read HEIC
only after a process-wide registration. Truncated files stay errors (LOAD_TRUNCATED_IMAGES keeps its default).
"""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    TiffImagePlugin,
)
from pillow_heif import as_plugin

from service.images.errors import UndecodableImage

READERS: Mapping[str, Callable[[BytesIO], Image.Image]] = MappingProxyType(
    {
        "AVIF": AvifImagePlugin.AvifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "HEIF": as_plugin.HeifImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
    }
)

SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's names for one channel of 0 to 65535."""

STRIP_PIXELS = 1 << 18
"""Number of pixels that are converted at a time, approximately: small against a photo, large against the cost of a
call."""


class _Quiet:
    """Reentrant context manager that suppresses Pillow's warnings about damaged metadata; all other warnings pass.

    The list of warning filters is global to the process, and changing it is not thread-safe. So the first thread that
    enters sets the filter, and the last that leaves restores the list.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\b")
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


quiet = _Quiet()


@contextmanager
def open_image(data: bytes, kind: str) -> Iterator[Image.Image]:
    """Open an image: parse its header, decode no pixel. Raises UndecodableImage, also for exceptions within the block.

    Pillow's parsers raise nearly every built-in exception for damaged files, so all are converted. MemoryError passes:
    it is not a fault of the file.
    """
    try:
        with quiet, READERS[kind](BytesIO(data)) as image:
            yield image
    except (UndecodableImage, MemoryError):
        raise
    except Exception as error:
        raise UndecodableImage(
            f"The {kind} file is damaged, truncated or of an unknown variant: {error}"
        ) from error


def check_allocation(size: int) -> None:
    """Raise MemoryError if `size` bytes cannot be allocated.

    For use before decoding: decoders report a failed allocation as damage.
    """
    np.empty(size, np.uint8)


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) RGB. Alpha is dropped, 16-bit gray keeps its high byte, CMYK follows Pillow's formula."""
    return by_strips(image, _gray_16_to_rgb if image.mode in SIXTEEN_BIT_MODES else _to_rgb)


def by_strips(image: Image.Image, convert: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Decode, and convert in parts to (H, W, 3) uint8, so that no conversion allocates a second whole image."""
    image.load()
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    columns = min(width, STRIP_PIXELS)
    rows = STRIP_PIXELS // columns
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        for left in range(0, width, columns):
            right = min(left + columns, width)
            pixels[top:bottom, left:right] = convert(image.crop((left, top, right, bottom)))
    return pixels


def _to_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(strip.convert("RGB"))


def _gray_16_to_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    gray = (np.clip(np.asarray(strip), 0, 0xFFFF) >> 8).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)
