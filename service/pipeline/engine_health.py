"""Detection of an engine that needs a new process: its device is lost, or it fails for every photo.

A CUDA error such as an illegal address is sticky: every later run in this process fails too. Dlib would then compute
all further photos, many times slower. In a new process the device may work again.
"""

import asyncio
from collections.abc import Mapping

from service.recognition.contract import Stage

FAILED_PHOTOS = 8
"""Number of consecutive photos after which the engine counts as broken: photos that needed the fallback (dlib) although
each was processed alone."""


class EngineHealth:
    """Fault of the device, and a counter of consecutive photos for which the engine failed. For one event loop.

    Attributes:
        broken: set once the device is lost, or the counter reaches FAILED_PHOTOS.
        device_fault: reason in one line why no run of the device is believed any more; None while it is in order.
    """

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.device_fault: str | None = None
        self._failed = 0

    def device_failed(self, reason: str) -> None:
        """Record the fault of a device. The first reason is kept."""
        self.device_fault = self.device_fault or reason
        self.broken.set()

    def succeeded(self) -> None:
        """Record a photo that the engine computed."""
        self._failed = 0

    def failed(self) -> None:
        """Record a photo that the fallback computed, although it was processed alone."""
        self._failed += 1
        if self._failed >= FAILED_PHOTOS:
            self.broken.set()


def fallbacks(stages: Mapping[str, Stage]) -> int:
    """Total number of stages that the fallback has computed."""
    return sum(stage.fallbacks for stage in stages.values())
