"""An engine behind an engine: where a stage of the first fails, the second computes it for that photo."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import Detection, Engine, Stage
from service.recognition.geometry import Rectangle

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class WithFallback:
    """The Engine protocol by two engines. Safe to call from many threads if both are.

    Whatever fails in the first engine (no memory, a device that went away) costs that photo time, and is counted. What
    the second one raises is raised.
    """

    def __init__(self, engine: Engine, fallback: Engine) -> None:
        self._engine = engine
        self._fallback = fallback
        self._fallbacks: Counter[str] = Counter()
        self._counting = threading.Lock()

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        return self._either("cnn_detections", lambda engine: engine.cnn_detections(image))

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._either("hog_detections", lambda engine: engine.hog_detections(image))

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        return self._either("hog_confirms", lambda engine: engine.hog_confirms(image, rectangles))

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._either("landmarks", lambda engine: engine.landmarks(image, rectangles))

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._either("chips", lambda engine: engine.chips(image, landmarks))

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._either("descriptors", lambda engine: engine.descriptors(chips))

    def stages(self) -> dict[str, Stage]:
        return {
            name: replace(stage, fallbacks=self._fallbacks[name])
            for name, stage in self._engine.stages().items()
        }

    def close(self) -> None:
        self._engine.close()
        self._fallback.close()

    def _either(self, stage: str, compute: Callable[[Engine], Result]) -> Result:
        try:
            return compute(self._engine)
        except Exception as error:  # whatever an engine, its driver or its library may raise
            _log.warning("%s: %r; the other engine computes it instead", stage, error)
        with self._counting:
            self._fallbacks[stage] += 1
        return compute(self._fallback)
