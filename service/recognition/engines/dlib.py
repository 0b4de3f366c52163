"""The dlib engine: the reference, and the fallback of the ONNX engine.

Dlib's objects are not thread-safe (shared objects gave wrong faces and segmentation faults), and its calls hold the GIL
for seconds. So it runs in worker processes, each for one call at a time. A crash costs that call a retry, and the
calling process goes on.
"""

import importlib.util
import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import Detection, EngineError, Stage
from service.recognition.geometry import Rectangle
from service.recognition.hog.confirmation import confirmed

_log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic for the type checker alone
    _PipeEnd = connection.Connection[Any, Any]
    """End of a pipe to a worker: (stage, arguments) one way, (True, result) or (False, reason) the other."""


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
        paths = {
            "detector": str(detector) if detector else None,
            "landmarks": str(landmarks),
            "network": str(network),
        }
        self._workers = [_Worker(paths) for _ in range(processes)]
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
                "dlib does not start here: its wheels need a processor with AVX (x86-64) or arm64, and a script that "
                "uses the recogniser has to be a file that guards its code with: if __name__ == '__main__'"
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

    def __init__(self, paths: Mapping[str, str | None]) -> None:
        self._paths = paths
        self._process: BaseProcess | None = None
        self._pipe: _PipeEnd | None = None

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
            process.join()

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

    def _start(self) -> "_PipeEnd":
        spawning = multiprocessing.get_context("spawn")
        try:
            self._pipe, worker_end = spawning.Pipe()
            with worker_end:  # the process has a copy; an open end here would hide its death
                self._process = spawning.Process(target=_work, args=(worker_end, self._paths), daemon=True)
                self._process.start()
        except (OSError, RuntimeError) as error:
            self._process = None
            self.close()
            raise EngineError(f"no process could be started for dlib: {error}") from error
        return self._pipe


# The worker's side. Dlib is imported there alone: this module loads without dlib, and no call of dlib holds the GIL
# of the calling process.


def _work(pipe: "_PipeEnd", paths: Mapping[str, str | None]) -> None:
    """Answer calls with (True, result) or (False, reason) until the pipe is closed."""
    # A terminal sends its signals to the whole process group, but only the calling process may end the work. SIGTERM
    # keeps its effect: multiprocessing sends it to its children at the exit of a program that closed nothing.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from service.recognition.engines.dlib_stages import DlibStages

    threading.Thread(target=_exit_with_parent, daemon=True).start()
    stages = DlibStages(paths["detector"], str(paths["landmarks"]), str(paths["network"]))
    while True:
        try:
            stage, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, getattr(stages, stage)(*arguments)
        except Exception as error:  # dlib's own errors, and std::bad_alloc as a MemoryError without a message
            answer = False, str(error) or type(error).__name__
        pipe.send(answer)


def _exit_with_parent() -> None:
    """Exit with the parent, also during a call, which may hold several gigabytes for another minute."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
