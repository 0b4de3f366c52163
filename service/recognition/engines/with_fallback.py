"""Fallback between engines: if a stage of the first engine fails, the second computes it for that photo."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import Detection, DeviceFault, Engine, EngineError, OutOfMemory, Stage
from service.recognition.geometry import Rectangle

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class WithFallback:
    """The Engine protocol by an engine and its fallback. Safe to call from many threads if both are.

    A failure of the first engine, such as out of memory, is logged and counted in `Stage.fallbacks`. A DeviceFault is
    raised instead: the fallback would compute every later call too, many times slower, where a new process may have the
    device again. A failure of the fallback is raised, as OutOfMemory if the first engine was out of memory: a dlib
    process that the system kills cannot name the cause.
    """

    def __init__(self, engine: Engine, fallback: Engine) -> None:
        self._engine = engine
        self._fallback = fallback
        self._fallbacks: Counter[str] = Counter()
        self._counting = threading.Lock()

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        return self._compute("cnn_detections", lambda engine: engine.cnn_detections(image))

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._compute("hog_detections", lambda engine: engine.hog_detections(image))

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        return self._compute("hog_confirms", lambda engine: engine.hog_confirms(image, rectangles))

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._compute("landmarks", lambda engine: engine.landmarks(image, rectangles))

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._compute("chips", lambda engine: engine.chips(image, landmarks))

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._compute("descriptors", lambda engine: engine.descriptors(chips))

    def stages(self) -> dict[str, Stage]:
        return {
            name: replace(stage, fallbacks=self._fallbacks[name])
            for name, stage in self._engine.stages().items()
        }

    def close(self) -> None:
        self._engine.close()
        self._fallback.close()

    def _compute(self, stage: str, compute: Callable[[Engine], Result]) -> Result:
        try:
            return compute(self._engine)
        except DeviceFault:
            raise
        except Exception as error:  # an engine, its driver or its library may raise any error
            _log.warning("%s: %r; the fallback engine computes it instead", stage, error)
            was_out_of_memory = isinstance(error, MemoryError | OutOfMemory)
        with self._counting:
            self._fallbacks[stage] += 1
        try:
            return compute(self._fallback)
        except EngineError as error:
            if was_out_of_memory:
                raise OutOfMemory(f"out of memory, and the fallback failed too: {error}") from error
            raise
