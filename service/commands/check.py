"""Check of a model on this machine: the engine, the time and the memory of every stage."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.images import decoding as images
from service.memory import largest_photo as memory_plan
from service.memory.capacity import Capacity
from service.recognition.compute.core_count import usable_cores
from service.recognition.contract import EngineError
from service.recognition.factory import RecognizerError
from service.recognition.geometry import Rectangle
from service.recognition.ort import nvidia, providers
from service.recognition.recognizer import Recognizer
from service.recognition.timings import Stopwatch, Timings
from service.settings import Settings
from service.worker import confinement
from service.worker.opening import opened

RUNS = 3
NOISE_ROWS, NOISE_COLUMNS = 960, 1280
FACE_SHARE = 5
"""Where nothing is found, a face is supposed in the middle, this part of the photo's shorter side."""

STATUS = Path("/proc/self/status")
PRESENT, PEAK = "VmRSS", "VmHWM"
FORGET_PEAK = (Path("/proc/self/clear_refs"), "5")
"""What to write where, so that the peak of a process's memory is counted anew (proc(5))."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class CheckError(Exception):
    """The model cannot be opened or run, or the photo cannot be read."""


class GrowthWatch(Stopwatch):
    """Also sees how much the process's memory grew during each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.growth: dict[str, int] = {}
        """Bytes between what it held when a stage began and the most that it held in it, by the stage's name."""
        self.peak = _memory(PEAK)
        """Bytes that the process ever held."""

    def time(
        self, stage: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        file, word = FORGET_PEAK
        with suppress(OSError):  # where it may not be written, a stage's peak is the highest until then
            file.write_text(word)
        before = _memory(PRESENT)
        try:
            return super().time(stage, *given, **named)
        finally:
            peak = _memory(PEAK)
            self.growth[stage.__name__] = max(peak - before, 0)
            self.peak = max(self.peak, peak)


def report(settings: Settings, photo: Path | None) -> str:
    """A table of the stages, measured on a photo or on noise.

    Raises:
        CheckError: a stage cannot be computed as the settings say; one line.
    """
    try:
        image = _noise() if photo is None else _decoded(photo, settings)
        with closing(opened(settings, workers=1)) as recognizer:
            lines = _lines(recognizer, image, "noise" if photo is None else "a photo")
    except (RecognizerError, EngineError, images.UndecodableImage, images.ImageTooLarge, OSError) as error:
        raise CheckError(str(error)) from error
    rows, columns, _ = image.shape
    plan = memory_plan.plan(settings, Capacity.of(settings, usable_cores()))
    lines.extend(plan.warnings() or [plan.summary()])
    lines.append(confinement.trial())
    if rows * columns > plan.accepted_area:
        lines.append(
            f"/detect would answer 412 to a photo of this size: {plan.accepted_area} pixels at most "
            "(FACE_MAXIMUM_AREA), to which the app scales it down"
        )
    return "\n".join(lines)


def _lines(recognizer: Recognizer, image: NDArray[np.uint8], picture: str) -> list[str]:
    recognizer.warm_up()
    # Before any other photo: later ones find the memory that this one took.
    watch = GrowthWatch()
    recognizer.run_every_stage(image, [_middle(image)], watch)
    found = [face.rectangle for face in recognizer.recognize(image)]
    faces = found or [_middle(image)]
    runs = [recognizer.run_every_stage(image, faces) for _ in range(RUNS)]
    stages, model = recognizer.stages(), recognizer.model
    for name, stage in stages.items():
        if stage.fallbacks:
            raise CheckError(
                f"{name} fails on {stage.provider}, and dlib computes it instead: the log says why it fails"
            )
    rows, columns = image.shape[:2]
    lines = [
        f"model {model.number}: {model.description}",
        f"{picture} of {columns} x {rows} pixels, faces found: {len(found)}, median of {RUNS} runs",
    ]
    for name in (field.name for field in fields(Timings) if field.name in stages):
        stage = stages[name]
        milliseconds = 1000 * median(getattr(run, name) for run in runs)
        lines.append(
            f"  {name:<15} {stage.engine:<9} {stage.provider:<25} {milliseconds:8.1f} ms"
            f"   +{watch.growth[name] / 1e6:.0f} MB"
        )
        if stage.on_cpu:
            lines.append(f"    {stage.on_cpu} runs of it by the CPU, for want of memory on the device")
    lines.append(f"peak memory {max(watch.peak, _memory(PEAK)) / 1e6:.0f} MB")
    if any(stage.provider == providers.CUDA.official for stage in stages.values()):
        lines.append(_gpu_memory())
    return lines


def _read(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except OSError as error:
        raise CheckError(f"{photo} cannot be read: {error.strerror}") from error


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (NOISE_ROWS, NOISE_COLUMNS, 3), np.uint8)


def _middle(image: NDArray[np.uint8]) -> Rectangle:
    rows, columns = image.shape[:2]
    side = max(min(rows, columns) // FACE_SHARE, 1)
    left, top = (columns - side) // 2, (rows - side) // 2
    return Rectangle(left, top, left + side - 1, top + side - 1)


def _decoded(photo: Path, settings: Settings) -> NDArray[np.uint8]:
    return images.decode(
        _read(photo),
        maximum_area=settings.maximum_original_area,
        honour_orientation=settings.honour_orientation,
    )


def _memory(name: str) -> int:
    """Bytes of this process, 0 where the system does not say. Not getrusage's, whose peak begins with the parent's."""
    with suppress(OSError):  # a sandbox may hide it
        for line in STATUS.read_text(encoding="ascii").splitlines():
            found, _, value = line.partition(":")
            if found == name:
                return int(value.removesuffix("kB")) * 1024
    return 0


def _gpu_memory() -> str:
    try:
        memory = nvidia.Driver().memory()
    except nvidia.DriverError as error:
        raise CheckError(str(error)) from error
    return f"GPU memory {memory.used / 1e6:.0f} of {memory.total / 1e6:.0f} MB, of all processes together"
