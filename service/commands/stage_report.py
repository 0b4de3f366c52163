"""Report of the command `check`: engine, time and memory of every stage of a model on this machine.

Separate from the command, since it imports numpy and ONNX Runtime.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.commands.errors import CommandError
from service.images import decoding
from service.memory import largest_photo
from service.memory.capacity import Capacity
from service.recognition.compute.core_count import usable_processors
from service.recognition.contract import EngineError, Stage
from service.recognition.factory import RecognizerError
from service.recognition.geometry import Rectangle
from service.recognition.ort import nvidia, providers
from service.recognition.recognizer import Recognizer
from service.recognition.timings import Stopwatch, Timings
from service.settings import Settings
from service.worker import confinement
from service.worker.recognizer_from_settings import recognizer_from_settings

RUNS = 3
NOISE_ROWS, NOISE_COLUMNS = 960, 1280
FACE_SHARE = 5
"""Divisor of the photo's shorter side. The quotient is the side of a box in the photo's middle, which stands for a face
if none is detected."""

STATUS = Path("/proc/self/status")
PRESENT, PEAK = "VmRSS", "VmHWM"
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to CLEAR_REFS, it resets VmHWM to VmRSS (proc(5))."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class MemoryStopwatch(Stopwatch):
    """A stopwatch that also measures the growth of the process's memory during each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.growth: dict[str, int] = {}
        """Name of a stage to the bytes between the memory at its start and the peak within it."""
        self.peak = _memory(PEAK)
        """Bytes; the largest memory of the process so far."""

    def time(
        self, stage: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        with suppress(OSError):  # a sandbox may forbid it: then a stage's peak includes those before it
            CLEAR_REFS.write_text(RESET_PEAK)
        before = _memory(PRESENT)
        try:
            return super().time(stage, *given, **named)
        finally:
            peak = _memory(PEAK)
            self.growth[stage.__name__] = max(peak - before, 0)
            self.peak = max(self.peak, peak)


def stage_report(settings: Settings, photo: Path | None) -> str:
    """A table of the stages, measured on a photo or on noise, and lines about memory and the sandbox.

    Raises:
        CommandError: the photo cannot be read, or a stage cannot be computed by the engine and the provider of the
            settings.
    """
    try:
        image = _noise() if photo is None else _decoded(photo, settings)
        with closing(recognizer_from_settings(settings, workers=1)) as recognizer:
            lines = _measured(recognizer, image, "noise" if photo is None else "a photo")
    except (
        RecognizerError,
        EngineError,
        decoding.UndecodableImage,
        decoding.ImageTooLarge,
        OSError,
    ) as error:
        raise CommandError(str(error)) from error
    rows, columns, _ = image.shape
    plan = largest_photo.plan(settings, Capacity.of(settings, usable_processors()))
    lines.extend(plan.warnings() or [plan.summary()])
    lines.append(confinement.trial())
    if rows * columns > plan.accepted_area:
        lines.append(
            f"/detect would answer 412 to a photo of this size: {plan.accepted_area} pixels at most "
            "(FACE_MAXIMUM_AREA), to which the app scales it down"
        )
    return "\n".join(lines)


def _measured(recognizer: Recognizer, image: NDArray[np.uint8], picture: str) -> list[str]:
    recognizer.warm_up()
    # Memory is measured on the first photo: later ones use the memory that it leaves allocated.
    stopwatch = MemoryStopwatch()
    recognizer.run_every_stage(image, [_middle(image)], stopwatch)
    found = [face.rectangle for face in recognizer.recognize(image)]
    faces = found or [_middle(image)]
    runs = [recognizer.run_every_stage(image, faces) for _ in range(RUNS)]
    stages, model = recognizer.stages(), recognizer.model
    for name, stage in stages.items():
        if stage.fallbacks:
            raise CommandError(
                f"{name} fails on {stage.provider}, and dlib computes it instead: the reason is in the log"
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
            f"   +{stopwatch.growth[name] / 1e6:.0f} MB"
        )
        if stage.trial:
            lines.append(f"    {stage.precision}; trial of the scan in int8: {stage.trial}")
            if stage.trial.file:
                lines.append(
                    f"    its time is kept in {stage.trial.file}: without this file, it is measured again"
                )
        elif stage.scan_refused:
            lines.append(f"    {stage.precision}; no scan in int8: {stage.scan_refused}")
        elif stage.precision != Stage.precision or name == "cnn_detections":
            lines.append(f"    {stage.precision}")
        if stage.on_cpu:
            lines.append(f"    {stage.on_cpu} runs of it on the CPU: the device had too little memory")
    lines.append(f"peak memory {max(stopwatch.peak, _memory(PEAK)) / 1e6:.0f} MB")
    if any(stage.provider == providers.CUDA.official for stage in stages.values()):
        lines.append(_gpu_memory())
    return lines


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (NOISE_ROWS, NOISE_COLUMNS, 3), np.uint8)


def _middle(image: NDArray[np.uint8]) -> Rectangle:
    rows, columns = image.shape[:2]
    side = max(min(rows, columns) // FACE_SHARE, 1)
    left, top = (columns - side) // 2, (rows - side) // 2
    return Rectangle(left, top, left + side - 1, top + side - 1)


def _decoded(photo: Path, settings: Settings) -> NDArray[np.uint8]:
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise CommandError(f"{photo} cannot be read: {error.strerror}") from error
    return decoding.decode(
        data,
        maximum_area=settings.maximum_original_area,
        honour_orientation=settings.honour_orientation,
    )


def _memory(name: str) -> int:
    """Memory of this process in bytes, by a field of STATUS (PRESENT or PEAK); 0 if the system hides it.

    Not from getrusage(2), whose peak includes the parent's.
    """
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
        raise CommandError(str(error)) from error
    return f"GPU memory {memory.used / 1e6:.0f} of {memory.total / 1e6:.0f} MB, of all processes together"
