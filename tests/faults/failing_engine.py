"""The service with failing networks: `python -m tests.faults.failing_engine EVERY` instead of `-m service serve`.

Every EVERY-th run of a network raises EngineError, as if ONNX Runtime could not allocate memory. The web process starts
this module as its worker too, with the worker's arguments after EVERY.
"""

import itertools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.__main__ import main as serve
from service.early_exit import exit_now
from service.supervision import process
from service.worker.__main__ import main as worker
from tests.faults.planting import plant_when_confined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from service.recognition.ort.sessions import Session


def fail_every(number: int) -> None:
    """Makes every `number`-th run fail, counted over all threads."""
    from service.recognition.contract import EngineError
    from service.recognition.ort.sessions import Session

    runs = itertools.count(1)
    attempt = Session.attempt

    def failing(
        self: "Session", output: str, inputs: "Mapping[str, NDArray[np.generic]]"
    ) -> "NDArray[np.float32]":
        if next(runs) % number == 0:
            raise EngineError("planted: failed to allocate memory")
        return attempt(self, output, inputs)

    Session.attempt = failing  # type: ignore[method-assign]


def main(every: str, *of_worker: str) -> int:
    """Runs the worker if its arguments are given, else the web process. Returns the exit status."""
    if of_worker:
        plant_when_confined(lambda: fail_every(int(every)))
        return worker(*map(int, of_worker))
    process.COMMAND = (sys.executable, "-m", "tests.faults.failing_engine", every)
    return serve(["serve"])


if __name__ == "__main__":  # dlib's processes import this module too
    exit_now(main(*sys.argv[1:]))
