"""Everything by dlib: the reference, and what stands in where ONNX Runtime cannot.

dlib's objects are not thread-safe (shared ones gave wrong faces and segmentation faults) and its calls hold the
GIL for seconds. So it runs in processes of its own, each leased to one call at a time: safe by construction,
and a crash costs that call a second try, not the service.
"""

import importlib.util
import logging
import multiprocessing
import queue
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.confirmation import confirmed
from service.recognition.engines.protocol import EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.mmod import Detection

_log = logging.getLogger(__name__)


class DlibEngine:
    """dlib in worker processes, behind the Engine protocol.

    Args:
        detector: weights of the CNN detector, or None where it is not asked for.
        landmarks: weights of the shape predictor.
        network: weights of the face recognition network.
        processes: how many calls may run at once. A process starts with its first call and loads what it is
            asked for: 60 MB to 200 MB, and about 1 GB per megapixel while the CNN runs.
    """

    def __init__(self, detector: Path | None, landmarks: Path, network: Path, processes: int) -> None:
        paths = {
            "detector": str(detector) if detector else None,
            "landmarks": str(landmarks),
            "network": str(network),
        }
        self._workers = [_Worker(paths) for _ in range(processes)]
        # Last in, first out: the process that is warm takes the next call.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def check(self) -> None:
        """Raise EngineError if dlib cannot run on this machine, with what to do."""
        if not installed():
            raise EngineError("dlib is not installed: pip install --require-hashes -r requirements/dlib.txt")
        try:
            self._call("ping")
        except EngineError:
            raise EngineError(
                "dlib does not start here: its wheels need a processor with AVX (x86-64) or arm64, and a script of "
                "your own has to be a file that guards what it does with: if __name__ == '__main__'"
            ) from None

    def cnn_detections(self, image: NDArray[np.uint8]) -> list[Detection]:
        return self._call("cnn_detections", image)  # type: ignore[no-any-return]

    def hog_detections(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        return self._call("hog_detections", image)  # type: ignore[no-any-return]

    def hog_confirms(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> list[bool]:
        return confirmed(rectangles, self.hog_detections(image))

    def landmarks(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        return self._call("landmarks", image, rectangles)  # type: ignore[no-any-return]

    def chips(self, image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._call("chips", image, landmarks)  # type: ignore[no-any-return]

    def descriptors(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._call("descriptors", chips)  # type: ignore[no-any-return]

    def stages(self) -> dict[str, Stage]:
        names = ("cnn_detections", "hog_detections", "hog_confirms", "landmarks", "chips", "descriptors")
        return dict.fromkeys(names, Stage("dlib", "cpu"))

    def close(self) -> None:
        for worker in self._workers:
            worker.close()

    def _call(self, stage: str, *arguments: Any) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(stage, arguments)
        finally:
            self._idle.put(worker)


def installed() -> bool:
    """Whether dlib is there, found without loading it; whether it runs on this processor is another question."""
    return importlib.util.find_spec("_dlib_pybind11") is not None


class _Worker:
    """One process that is started when needed and again when it died."""

    def __init__(self, paths: dict[str, str | None]) -> None:
        self._paths = paths
        self._pool = self._start()

    def call(self, stage: str, arguments: Sequence[Any]) -> Any:
        """Run a stage; once more in a fresh process if the first one died.

        Raises:
            EngineError: dlib raised, or the process died twice.
        """
        try:
            return self._attempt(stage, arguments)
        except BrokenProcessPool:
            _log.warning("a dlib process died in stage %s; trying once more in a new one", stage)
        try:
            return self._attempt(stage, arguments)
        except BrokenProcessPool:
            raise EngineError(
                f"dlib died twice in stage {stage}: out of memory, or a photo it cannot take"
            ) from None

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _attempt(self, stage: str, arguments: Sequence[Any]) -> Any:
        try:
            return self._pool.submit(_run, stage, *arguments).result()
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = self._start()
            raise
        except (RuntimeError, MemoryError) as error:  # what dlib's errors and std::bad_alloc arrive as
            raise EngineError(f"dlib failed in stage {stage}: {error or 'out of memory'}") from error

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_initialize,
            initargs=(self._paths,),
        )


# What a worker runs. dlib is imported there alone: this module loads where dlib is not installed, and no call of
# dlib's ever holds the serving process's GIL.


def _initialize(paths: dict[str, str | None]) -> None:
    from service.recognition.engines import dlib_stages

    dlib_stages.initialize(paths)


def _run(stage: str, *arguments: Any) -> Any:
    from service.recognition.engines import dlib_stages

    return dlib_stages.run(stage, *arguments)
