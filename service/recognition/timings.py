"""Timings of a photo's stages."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Timings:
    """Seconds of each stage, named as the method of `Engine`; 0 for a stage that did not run."""

    cnn_detections: float = 0.0
    hog_detections: float = 0.0
    hog_confirms: float = 0.0
    landmarks: float = 0.0
    chips: float = 0.0
    descriptors: float = 0.0


class Stopwatch:
    """Timer of one photo's stages. For one thread."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def time(
        self, stage: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call a method of the engine, return its result, and add its time under the method's name."""
        start = time.perf_counter()
        try:
            return stage(*given, **named)
        finally:
            self._seconds[stage.__name__] += time.perf_counter() - start

    @property
    def timings(self) -> Timings:
        return Timings(**self._seconds)
