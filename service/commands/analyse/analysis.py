"""Analysis of photos by several threads: a JSON line for each, in the order of the photos."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.commands.analyse import drawing
from service.commands.analyse.byte_budget import ByteBudget
from service.commands.shared import local_model
from service.commands.shared.photo_files import Photo
from service.images import decoding
from service.json_text import serialised
from service.memory.capacity import Capacity, hard_limit
from service.pipeline import answers
from service.recognition import memory
from service.recognition.compute.core_count import usable_processors
from service.recognition.contract import EngineError
from service.recognition.recognizer import Face, Recognizer
from service.settings import Settings

ESTIMATES = {"onnx": memory.recognition_bytes, "dlib": memory.dlib_recognition_bytes}
"""FACE_ENGINE to the peak memory of a photo."""

AHEAD = 8
"""Photos per thread that may be waiting or finished behind a slow one. Not all at once: a library has millions."""


class PhotoError(Exception):
    """A photo cannot be analysed; one sentence."""


class Line(NamedTuple):
    """A line of the output."""

    text: str
    """The JSON of `/detect`, or `{"filename": …, "error": …}`."""
    failed: bool


class Analysis:
    """The recogniser of the settings, and the limits of a photo."""

    def __init__(self, settings: Settings, recognizer: Recognizer, budget: ByteBudget) -> None:
        self._settings = settings
        self._recognizer = recognizer
        self._budget = budget

    def line(self, photo: Photo, annotated: Path | None) -> Line:
        """The line of a photo; an annotated copy is written to the folder `annotated`."""
        name = str(photo.path)
        if photo.fault:
            return _failed(name, photo.fault)
        try:
            faces = self._faces(photo.path, annotated)
        except MemoryError:
            return _failed(name, "The memory of this machine is too small for the image.")
        except (PhotoError, EngineError, decoding.UndecodableImage, decoding.ImageTooLarge) as error:
            return _failed(name, str(error))
        return Line(answers.detected(name, faces).decode(), failed=False)

    def _faces(self, path: Path, annotated: Path | None) -> list[Face]:
        data = self._read(path)
        found = decoding.checked_header(data, self._settings.maximum_original_area)
        recognizing = ESTIMATES[self._settings.engine](self._recognizer.model, found.height, found.width)
        needed = max(decoding.decoding_bytes(found), recognizing)
        if needed > hard_limit():
            raise PhotoError(
                f"The image of {found.width} x {found.height} pixels needs {needed / 1e6:,.0f} MB of memory, and this "
                f"machine has {hard_limit() / 1e6:,.0f} MB: scale it down first."
            )
        with self._budget.granted(needed):
            image = local_model.decoded(data, self._settings)
            faces = self._recognizer.recognize(image)
            if annotated is not None:
                self._draw(image, faces, path, annotated)
        return faces

    def _read(self, path: Path) -> bytes:
        limit = self._settings.maximum_upload
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise PhotoError(f"The file cannot be read: {error.strerror}.") from error
        if len(data) > limit:
            raise PhotoError(f"The file has more than {limit} bytes (FACE_MAXIMUM_UPLOAD).")
        return data

    def _draw(self, image: NDArray[np.uint8], faces: Sequence[Face], path: Path, folder: Path) -> None:
        try:
            drawing.write_annotated(image, faces, drawing.copy_of(path, folder))
        except OSError as error:
            raise PhotoError(
                f"The annotated copy in {folder} cannot be written: {error.strerror or error}."
            ) from error


def _failed(name: str, reason: str) -> Line:
    return Line(serialised({"filename": name, "error": reason}).decode(), failed=True)


def analyse(
    settings: Settings, photos: Sequence[Photo], annotated: Path | None, workers: int | None
) -> Generator[Line, None, None]:
    """The line of each photo, as soon as it and all before it are analysed.

    `workers`: photos at a time; None: as in the service. Raises CommandError if the model cannot be opened.
    """
    capacity = Capacity.of(settings, usable_processors())
    at_once = min(workers or capacity.photos, len(photos))
    with local_model.warmed_up(settings, at_once) as recognizer:
        analysis = Analysis(settings, recognizer, ByteBudget(capacity.photo_bytes))
        yield from _in_order(partial(analysis.line, annotated=annotated), photos, at_once)


def _in_order(
    work: Callable[[Photo], Line], photos: Iterable[Photo], workers: int
) -> Generator[Line, None, None]:
    """The results of `work` for all photos, by `workers` threads, in the order of the photos."""
    with ThreadPoolExecutor(workers) as threads:
        pending: deque[Future[Line]] = deque()
        try:
            for photo in photos:
                pending.append(threads.submit(work, photo))
                if len(pending) > AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # also if the caller stops early
            threads.shutdown(wait=False, cancel_futures=True)
