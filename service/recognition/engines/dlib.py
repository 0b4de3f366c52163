"""Everything by dlib: the reference, and what stands in where ONNX Runtime cannot.

dlib's objects are not thread-safe (shared ones gave wrong faces and segmentation faults) and its calls hold the
GIL for seconds. So it runs in processes of its own, each leased to one call at a time: safe by construction,
and a crash costs that call a second try, not the service.
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
    _Line = connection.Connection[Any, Any]
    """An end of a pipe to a worker: (stage, arguments) one way, (whether it is done, result or reason) the other."""


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


class _ProcessDied(Exception):
    """A worker's process ended in the middle of a call."""


class _Worker:
    """One process that is started when needed and again when it died. For one call at a time.

    A pipe and nothing else between the two: whoever waits at its end hears of a process that dies, and no thread of
    a pool's can be missing in between because the machine had no memory left to start it.
    """

    def __init__(self, paths: Mapping[str, str | None]) -> None:
        self._paths = paths
        self._process: BaseProcess | None = None
        self._line: _Line | None = None

    def call(self, stage: str, arguments: Sequence[Any]) -> Any:
        """Run a stage; once more in a fresh process if the first one died.

        Raises:
            EngineError: dlib raised, no process could be started, or it died twice.
        """
        try:
            return self._attempt(stage, arguments)
        except _ProcessDied:
            _log.warning("a dlib process died in stage %s; trying once more in a new one", stage)
        try:
            return self._attempt(stage, arguments)
        except _ProcessDied:
            raise EngineError(
                f"dlib died twice in stage {stage}: out of memory, or a photo it cannot take"
            ) from None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        line, process = self._line, self._process
        self._line = self._process = None
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.join()

    def _attempt(self, stage: str, arguments: Sequence[Any]) -> Any:
        line = self._line or self._start()
        try:
            line.send((stage, arguments))
            done, result = line.recv()
        except BaseException as error:  # whatever it was, half a message may be left in the pipe
            self.close()
            if isinstance(error, (EOFError, OSError)):
                raise _ProcessDied from None
            raise
        if not done:
            raise EngineError(f"dlib failed in stage {stage}: {result}")
        return result

    def _start(self) -> "_Line":
        spawning = multiprocessing.get_context("spawn")
        try:
            self._line, others_end = spawning.Pipe()
            with others_end:  # the process has its own; left open here, its death would not be heard
                self._process = spawning.Process(target=_work, args=(others_end, self._paths), daemon=True)
                self._process.start()
        except (OSError, RuntimeError) as error:
            self._process = None
            self.close()
            raise EngineError(f"no process could be started for dlib: {error}") from error
        return self._line


# What a worker runs. dlib is imported there alone: this module loads where dlib is not installed, and no call of
# dlib's ever holds the serving process's GIL.


def _work(line: "_Line", paths: Mapping[str, str | None]) -> None:
    """Answer calls with (True, the result) or (False, what was wrong), until the other side is gone."""
    # A terminal signals the whole group; the serving process decides when work ends. Not SIGTERM, by which
    # multiprocessing ends its children with a program that closed nothing.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from service.recognition.engines.dlib_stages import DlibStages

    threading.Thread(target=_leave_with_parent, daemon=True).start()
    stages = DlibStages(paths["detector"], str(paths["landmarks"]), str(paths["network"]))
    while True:
        try:
            stage, arguments = line.recv()
        except EOFError:
            return
        try:
            answer = True, getattr(stages, stage)(*arguments)
        except Exception as error:  # dlib's own errors, and std::bad_alloc as a MemoryError without a word
            answer = False, str(error) or type(error).__name__
        line.send(answer)


def _leave_with_parent() -> None:
    """In the middle of a call, too, which may have a minute to go and several gigabytes in its hands."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
