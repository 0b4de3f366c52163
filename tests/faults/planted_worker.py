"""The service with a faulty worker: `python -m tests.faults.planted_worker CAUSE` instead of `-m service serve`.

The same module is the worker: `python -m tests.faults.planted_worker CAUSE DESCRIPTOR PARENT`.
"""

import ctypes
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from service.__main__ import main as serve
from service.early_exit import exit_now
from service.supervision import process, supervisor
from service.worker.__main__ import main as worker
from tests.faults.planting import plant_when_confined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from service.recognition.cnn.scanning_detector import ScanningDetector
    from service.recognition.compute.cores import Cores
    from service.recognition.contract import ScanTrial
    from service.recognition.ort.networks import SharedSessions

CRASHING_WIDTH = 333
"""Pixels; a photo of this width crashes the worker."""
KILLED = "killed"
"""CAUSE for a service with its own worker, which the test kills; its pauses begin with SHORT_PAUSE."""
SHORT_PAUSE = 0.05
"""Seconds; each further pause is twice as long."""


def crash() -> None:
    """Reads address 0, as faulty native code does."""
    ctypes.string_at(0)


def crash_at_photos() -> None:
    """Makes the worker crash at each photo of CRASHING_WIDTH."""
    from service.messages import Answer
    from service.pipeline.photo_work import PhotoWork, Pixels

    recognize = PhotoWork._recognize

    def crashing(self: PhotoWork, image: Pixels, decoding: float, *, fallback: bool) -> Answer:
        if image.shape[1] == CRASHING_WIDTH:
            crash()
        return recognize(self, image, decoding, fallback=fallback)

    PhotoWork._recognize = crashing  # type: ignore[method-assign]


def spoil_scans() -> None:
    """Makes the detector's scan in int8 miss all faces, once it has passed its trial."""
    from service.recognition.cnn.scan import SCANNED
    from service.recognition.engines import scan_trial
    from service.recognition.ort.networks import SharedSessions

    trial, attempt = scan_trial.trial, SharedSessions.attempt

    def spoiled(
        self: "SharedSessions", output: str, inputs: "Mapping[str, NDArray[np.generic]]"
    ) -> "NDArray[np.float32]":
        scores = attempt(self, output, inputs)
        return scores - 9 if output == SCANNED else scores

    def passed(detector: "ScanningDetector", cores: "Cores", graph_sha256s: tuple[str, str]) -> "ScanTrial":
        result = trial(detector, cores, graph_sha256s)
        SharedSessions.attempt = spoiled  # type: ignore[method-assign]
        return result

    scan_trial.trial = passed


CAUSES: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "start": crash,
        "photo": lambda: plant_when_confined(crash_at_photos),
        "scan": lambda: plant_when_confined(spoil_scans),
    }
)


def main(cause: str, *of_worker: str) -> int:
    """Runs the worker if its arguments are given, else the web process. Returns the exit status."""
    if of_worker:
        CAUSES[cause]()
        return worker(*map(int, of_worker))
    if cause == KILLED:
        supervisor.FIRST_PAUSE = SHORT_PAUSE
    else:
        process.COMMAND = (sys.executable, "-m", "tests.faults.planted_worker", cause)
    return serve(["serve"])


if __name__ == "__main__":
    exit_now(main(*sys.argv[1:]))
