"""Detection of an engine that fails for every photo, such as a device that needs a new process.

A CUDA error such as an illegal address stays with its process: every later run fails too, and dlib would compute all
photos from then on, many times slower. In a new process the device may work again.
"""

import asyncio
from collections.abc import Mapping

from service.recognition.contract import Stage

FAILED_PHOTOS = 8
"""In a row for which dlib had to stand in, although nothing else was in work."""


class EngineHealth:
    """Counts photos in a row for which the engine failed. For one event loop.

    Attributes:
        broken: set once there were FAILED_PHOTOS.
    """

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self._failed = 0

    def succeeded(self) -> None:
        """A photo was computed without the fallback."""
        self._failed = 0

    def failed(self) -> None:
        """A photo was computed by the fallback, alone."""
        self._failed += 1
        if self._failed >= FAILED_PHOTOS:
            self.broken.set()


def fallbacks(stages: Mapping[str, Stage]) -> int:
    """How many times the fallback has computed a stage."""
    return sum(stage.fallbacks for stage in stages.values())
