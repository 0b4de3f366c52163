"""Every stage of a model, run on this machine: who computes it, how long it takes, and the memory it all took."""

from contextlib import closing
from dataclasses import fields
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from service import images
from service.recognition.engines.protocol import EngineError
from service.recognition.geometry import Rectangle
from service.recognition.models import MODELS
from service.recognition.opening import RecognizerError, open_recognizer
from service.recognition.timings import Timings
from service.settings import Settings

RUNS = 3
NOISE_ROWS, NOISE_COLUMNS = 960, 1280
FACE_SHARE = 5
"""Where nothing is found, a face is supposed in the middle, this part of the photo's shorter side."""


class CheckError(Exception):
    """The model cannot be opened or run, or the photo cannot be read."""


def report(settings: Settings, photo: Path | None) -> str:
    """A table of the stages, measured on a photo or on noise. Raises CheckError."""
    try:
        image = _noise() if photo is None else _decoded(photo, settings)
        recognizer = open_recognizer(
            MODELS[settings.model],
            engine=settings.engine,
            store=settings.store,
            workers=1,
            threads=settings.threads,
        )
        with closing(recognizer):
            recognizer.warm_up()
            found = [face.rectangle for face in recognizer.recognize(image)]
            faces = found or [_middle(image)]
            runs = [recognizer.run_every_stage(image, faces) for _ in range(RUNS)]
            stages, model = recognizer.stages(), recognizer.model
    except (RecognizerError, EngineError, images.UndecodableImage, images.ImageTooLarge, OSError) as error:
        raise CheckError(str(error)) from error
    rows, columns = image.shape[:2]
    picture = f"{'noise' if photo is None else 'a photo'} of {columns} x {rows} pixels"
    lines = [
        f"model {model.number}: {model.description}",
        f"{picture}, faces found: {len(found)}, median of {RUNS} runs",
    ]
    for name in (field.name for field in fields(Timings) if field.name in stages):
        stage = stages[name]
        milliseconds = 1000 * median(getattr(run, name) for run in runs)
        lines.append(f"  {name:<15} {stage.engine:<9} {stage.provider:<21} {milliseconds:8.1f} ms")
    return "\n".join([*lines, f"peak memory {_peak_memory() / 1e6:.0f} MB"])


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (NOISE_ROWS, NOISE_COLUMNS, 3), np.uint8)


def _middle(image: NDArray[np.uint8]) -> Rectangle:
    rows, columns = image.shape[:2]
    side = max(min(rows, columns) // FACE_SHARE, 1)
    left, top = (columns - side) // 2, (rows - side) // 2
    return Rectangle(left, top, left + side - 1, top + side - 1)


def _decoded(photo: Path, settings: Settings) -> NDArray[np.uint8]:
    return images.decode(
        photo.read_bytes(),
        maximum_area=settings.maximum_original_area,
        honour_orientation=settings.honour_orientation,
    )


def _peak_memory() -> int:
    """Bytes that this process ever held. Not getrusage's, which begins with what the parent held."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.removesuffix("kB")) * 1024
    raise CheckError("this system does not say how much memory a process held")
