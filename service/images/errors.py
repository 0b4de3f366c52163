"""Exceptions for images that cannot be decoded or exceed the limit."""

import functools
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


class UndecodableImage(Exception):
    """The bytes are not a supported image: another format, truncated or corrupt (HTTP 415)."""


class ImageTooLarge(Exception):
    """The image has more pixels than the limit (HTTP 412). Raised once the header is parsed: no pixel is decoded."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        super().__init__(
            f"The image is {width} x {height} = {width * height} pixels, the limit is {limit}: scale it down first."
        )
        self.width = width
        self.height = height
        self.limit = limit


@contextmanager
def only_image_errors() -> Iterator[None]:
    """Convert exceptions other than UndecodableImage, ImageTooLarge and MemoryError to UndecodableImage.

    A parser that failed on a file fails on it again, so a retry helps only if memory was missing. The type and the
    location of an unexpected exception are logged once per process: it is a defect of this package or of a decoder.
    """
    try:
        yield
    except (UndecodableImage, ImageTooLarge, MemoryError):
        raise
    except Exception as error:
        name = type(error).__name__
        _log_once(name, *_location(error))
        raise UndecodableImage(f"The image is damaged: its decoder stopped with {name}.") from error


def _location(error: Exception) -> tuple[str, int]:
    """File and line of the innermost frame of this package."""
    own = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(own)]
    return Path(frames[-1].filename).name, frames[-1].lineno or 0


@functools.cache
def _log_once(name: str, file: str, line: int) -> None:
    # Without the exception's text, which may contain image data.
    log.warning("unexpected %s at images/%s:%d, answered as a damaged image", name, file, line)
