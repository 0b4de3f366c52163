"""The service with networks that fail: `python -m tests.faults.failing_engine EVERY` in place of `-m service serve`.

Every EVERY-th run of a network raises what ONNX Runtime raises where it cannot allocate memory.
"""

import itertools
import sys
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.__main__ import main
from service.recognition.engines.protocol import EngineError
from service.recognition.sessions import Session


def fail_every(number: int) -> None:
    """From now on, in all threads together."""
    runs = itertools.count(1)
    compute = Session.compute

    def failing(self: Session, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        if next(runs) % number == 0:
            raise EngineError("planted: failed to allocate memory")
        return compute(self, output, given)

    Session.compute = failing  # type: ignore[method-assign]


if __name__ == "__main__":  # dlib's processes import this file as well
    fail_every(int(sys.argv[1]))
    sys.exit(main(["serve"]))
