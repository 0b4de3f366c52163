"""The service with a crashing worker: `python -m tests.faults.planted_worker CAUSE` instead of `-m service serve`.

The same module is the worker: `python -m tests.faults.planted_worker CAUSE DESCRIPTOR PARENT`.
"""

import ctypes
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from service.__main__ import main as serve
from service.early_exit import exit_now
from service.supervision import process
from service.worker.__main__ import main as worker
from tests.faults.planting import plant_when_confined

CRASHING_WIDTH = 333
"""Pixels; a photo of this width crashes the worker."""


def crash() -> None:
    """Reads address 0, as faulty native code does."""
    ctypes.string_at(0)


def crash_at_photos() -> None:
    """Makes the worker crash at each photo of CRASHING_WIDTH."""
    from service.pipeline.photo_work import PhotoWork, Pixels

    recognize = PhotoWork._recognize

    def crashing(self: PhotoWork, image: Pixels, decoding: float, *, fallback: bool) -> bytes:
        if image.shape[1] == CRASHING_WIDTH:
            crash()
        return recognize(self, image, decoding, fallback=fallback)

    PhotoWork._recognize = crashing  # type: ignore[method-assign]


CAUSES: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "start": crash,
        "photo": lambda: plant_when_confined(crash_at_photos),
    }
)


def main(cause: str, *of_worker: str) -> int:
    """Runs the worker if its arguments are given, else the web process. Returns the exit status."""
    if of_worker:
        CAUSES[cause]()
        return worker(*map(int, of_worker))
    process.COMMAND = (sys.executable, "-m", "tests.faults.planted_worker", cause)
    return serve(["serve"])


if __name__ == "__main__":
    exit_now(main(*sys.argv[1:]))
