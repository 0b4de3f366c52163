"""What can be wrong with an image that a client sent."""

import functools
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


class UndecodableImage(Exception):
    """The bytes are no image that this service reads: of another kind, truncated or corrupt (HTTP 415)."""


class ImageTooLarge(Exception):
    """The image has more pixels than allowed (HTTP 412). Raised on the header alone, before any pixel is decoded."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        super().__init__(
            f"The image is {width} x {height} = {width * height} pixels, the limit is {limit}: scale it down first."
        )
        self.width = width
        self.height = height
        self.limit = limit


@contextmanager
def only_image_errors() -> Iterator[None]:
    """Lets UndecodableImage, ImageTooLarge and MemoryError pass; any other exception becomes UndecodableImage.

    A parser that fails on a file will fail on it again, so a retry helps only where memory was missing. The type and
    the place of an unforeseen exception are logged, once a process: it is a defect of this package or of a decoder.
    """
    try:
        yield
    except (UndecodableImage, ImageTooLarge, MemoryError):
        raise
    except Exception as error:
        name = type(error).__name__
        _log_once(name, *_place(error))
        raise UndecodableImage(f"The image is damaged: its decoder stopped with {name}.") from error


def _place(error: Exception) -> tuple[str, int]:
    """File and line of the innermost frame of this package."""
    own = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(own)]
    return Path(frames[-1].filename).name, frames[-1].lineno or 0


@functools.cache
def _log_once(name: str, file: str, line: int) -> None:
    # Without the exception's text, which may quote the photo.
    log.warning("unforeseen %s at images/%s:%d, answered as a damaged image", name, file, line)
