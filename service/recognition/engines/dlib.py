"""The dlib engine: the reference, and the fallback of the ONNX engine.

Dlib's objects are not thread-safe (shared objects gave wrong faces and segmentation faults), and its calls hold the GIL
for seconds. So it runs in worker processes, each for one call at a time. A crash costs that call a retry, and the
calling process goes on.

A worker process is a program of its own (dlib_process.py). The spawned processes of `multiprocessing` import the main
module of the caller, and so would run a script without `if __name__ == "__main__"` again.
"""

import importlib.util
import logging
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import Detection, EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.hog.confirmation import confirmed

_log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic for the type checker alone
    PipeEnd = connection.Connection[Any, Any]
    """End of a pipe to a worker: (stage, arguments) one way, (True, result) or (False, reason) the other."""

PROGRAM = "service.recognition.engines.dlib_process"
PACKAGES = str(Path(__file__).parents[3])
"""Folder of the package `service`."""


class DlibEngine:
    """The Engine protocol by dlib in worker processes.

    Args:
        detector: weights of the CNN detector; None for a model without it.
        landmarks: weights of the shape predictor.
        network: weights of the face recognition network.
        processes: number of concurrent calls. A process starts with its first call and loads the weights of the stages
            that are called: 60 MB to 200 MB, and about 1 GB per megapixel while the CNN runs.
    """

    def __init__(self, detector: Path | None, landmarks: Path, network: Path, processes: int) -> None:
        # Absolute: a process starts later, and the working directory may have changed by then.
        weights = [str(path.absolute()) for path in (landmarks, network, detector) if path]
        self._workers = [_Worker(weights) for _ in range(processes)]
        # Last in, first out: a process that has loaded its weights takes the next call.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def check(self) -> None:
        """Raise EngineError, with the remedy, if dlib cannot run on this machine."""
        if not installed():
            raise EngineError("dlib is not installed: pip install --require-hashes -r requirements/dlib.txt")
        try:
            self._call("ping")
        except EngineError:
            raise EngineError(
                "dlib does not start here: its wheels need a processor with AVX (x86-64) or arm64"
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
    """True if dlib is installed, without loading it. It may still fail to run on this processor."""
    return importlib.util.find_spec("_dlib_pybind11") is not None


class _ProcessDied(Exception):
    """A worker's process ended during a call."""


class _Worker:
    """One process, started at its first call and again after its death. For one call at a time.

    Only a pipe connects it: the death of the process ends a blocked read at once. A pool would need threads, which
    cannot be started on a machine without memory.
    """

    def __init__(self, weights: Sequence[str]) -> None:
        self._weights = weights
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: PipeEnd | None = None

    def call(self, stage: str, arguments: Sequence[Any]) -> Any:
        """Run a stage, with one retry in a new process if the first one died.

        Raises:
            EngineError: dlib raised, no process could be started, or it died twice.
        """
        try:
            return self._attempt(stage, arguments)
        except _ProcessDied:
            _log.warning("a dlib process died in stage %s; retrying in a new one", stage)
        try:
            return self._attempt(stage, arguments)
        except _ProcessDied:
            raise EngineError(
                f"dlib died twice in stage {stage}: out of memory, or a photo it cannot take"
            ) from None

    def close(self) -> None:
        """End the process, also during a call."""
        pipe, process = self._pipe, self._process
        self._pipe = self._process = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.wait()

    def _attempt(self, stage: str, arguments: Sequence[Any]) -> Any:
        pipe = self._pipe or self._start()
        try:
            pipe.send((stage, arguments))
            done, result = pipe.recv()
        except BaseException as error:  # after any failure, half a message may be left in the pipe
            self.close()
            if isinstance(error, (EOFError, OSError)):
                raise _ProcessDied from None
            raise
        if not done:
            raise EngineError(f"dlib failed in stage {stage}: {result}")
        return result

    def _start(self) -> "PipeEnd":
        try:
            self._pipe, others_end = connection.Pipe()
            with others_end:  # the process has a copy; an open end here would hide its death
                descriptor = others_end.fileno()
                self._process = subprocess.Popen(
                    # -P: no module of the working directory hides one of the same name.
                    [sys.executable, "-P", "-m", PROGRAM, str(descriptor), *self._weights],
                    pass_fds=[descriptor],
                    env={**os.environ, "PYTHONPATH": _search_path()},
                    stdin=subprocess.DEVNULL,
                )
        except OSError as error:
            self.close()
            raise EngineError(f"no process could be started for dlib: {error}") from error
        return self._pipe


def _search_path() -> str:
    """PYTHONPATH with which a dlib process finds the modules that this process finds.

    An empty place is the working directory, which may be another one by now: PACKAGES replaces it.
    """
    places = [place for place in sys.path if place]
    return os.pathsep.join(places if PACKAGES in places else [PACKAGES, *places])
