"""The service with a worker that dies: `python -m tests.faults.planted_worker CAUSE` in place of `-m service serve`.

The same module is the worker: `python -m tests.faults.planted_worker CAUSE DESCRIPTOR PARENT`.
"""

import ctypes
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from service.__main__ import main as serve
from service.early_exit import exit_now
from service.sandbox import Restrictions
from service.supervision import process
from service.worker import confinement
from service.worker.__main__ import main as worker

CULPRIT = 333
"""Width in pixels of the photos that crash a worker."""


def crash() -> None:
    """Reads address 0, as a fault in native code would."""
    ctypes.string_at(0)


def crash_at_culprits() -> None:
    """From its confinement on, which is before all large imports, the worker crashes at a photo of that width."""
    confine = confinement.confine

    def confined() -> Restrictions:
        restrictions = confine()
        _crash_at_culprits()
        return restrictions

    confinement.confine = confined


def _crash_at_culprits() -> None:
    from service.pipeline.photo_work import PhotoWork, Pixels

    recognize = PhotoWork._recognize

    def crashing(self: PhotoWork, image: Pixels, decoding: float, *, fallback: bool) -> bytes:
        if image.shape[1] == CULPRIT:
            crash()
        return recognize(self, image, decoding, fallback=fallback)

    PhotoWork._recognize = crashing  # type: ignore[method-assign]


CAUSES: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "start": crash,
        "culprit": crash_at_culprits,
    }
)


def main(cause: str, *of_worker: str) -> int:
    """Runs the worker where its arguments are given, else the web process; returns the exit status."""
    if of_worker:
        CAUSES[cause]()
        return worker(*map(int, of_worker))
    process.COMMAND = (sys.executable, "-m", "tests.faults.planted_worker", cause)
    return serve(["serve"])


if __name__ == "__main__":
    exit_now(main(*sys.argv[1:]))
