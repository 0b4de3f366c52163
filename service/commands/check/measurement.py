"""Measurement of the command `check`: engine, time and memory of every stage of a model on this machine.

Separate from the command, since it imports numpy and ONNX Runtime.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from model_store.models import Model
from service import machine
from service.commands.check.memory_stopwatch import PEAK, MemoryStopwatch, memory_of_process
from service.commands.shared import local_model
from service.commands.shared.errors import CommandError
from service.images import decoding
from service.memory import largest_photo
from service.memory.capacity import Capacity
from service.memory.largest_photo import MemoryPlan
from service.recognition.compute.core_count import usable_processors
from service.recognition.contract import Stage
from service.recognition.geometry import Rectangle
from service.recognition.ort import nvidia, providers
from service.recognition.ort.nvidia import Memory
from service.recognition.recognizer import Recognizer
from service.recognition.timings import Timings
from service.settings import Settings
from service.web.page.stages import cpu_name
from service.worker import confinement

RUNS = 3
NOISE_ROWS, NOISE_COLUMNS = 960, 1280
FACE_SHARE = 5
"""Divisor of the photo's shorter side. The quotient is the side of a box in the photo's middle, which stands for a face
if none is detected."""


@dataclass(frozen=True)
class StageMeasurement:
    """One stage on this machine."""

    stage: Stage
    seconds: float
    """Median of RUNS."""
    memory_growth: int
    """Bytes between the memory at the stage's start and the peak within it, at the first run."""


@dataclass(frozen=True)
class Measurement:
    """All stages of a model on this machine. Memory is in bytes."""

    model: Model
    of_photo: bool
    """False: measured on noise."""
    columns: int
    rows: int
    faces: int
    stages: Mapping[str, StageMeasurement]
    peak_memory: int
    gpu_memory: Memory | None
    """None without a GPU."""
    plan: MemoryPlan
    sandbox: str
    """Restrictions of the worker and of the decoders, a line each."""
    cpu: str
    """Name of the processor, with its number of cores."""
    unused_gpu: str | None
    """A line about a GPU that is not used; None if there is none."""


def measure(settings: Settings, photo: Path | None, show: Callable[[str], None]) -> Measurement:
    """Run each stage on a photo or on noise. `show` is called with the name of each step.

    Raises:
        CommandError: the photo cannot be read, or a stage cannot be computed by the engine and the provider of the
            settings.
    """
    try:
        image = _noise() if photo is None else local_model.decoded(photo.read_bytes(), settings)
    except OSError as error:
        raise CommandError(f"{photo} cannot be read: {error.strerror}") from error
    except (decoding.UndecodableImage, decoding.ImageTooLarge) as error:
        raise CommandError(f"{photo}: {error}") from error
    with local_model.warmed_up(settings, photos=1) as recognizer:
        faces, stages, peak = _measured(recognizer, image, show)
        model = recognizer.model
    show("trying the sandbox")
    on_gpu = any(measured.stage.provider == providers.CUDA.official for measured in stages.values())
    return Measurement(
        model=model,
        of_photo=photo is not None,
        columns=image.shape[1],
        rows=image.shape[0],
        faces=faces,
        stages=stages,
        peak_memory=peak,
        gpu_memory=_gpu_memory() if on_gpu else None,
        plan=largest_photo.plan(settings, Capacity.of(settings, usable_processors())),
        sandbox=confinement.trial(),
        cpu=cpu_name(),
        unused_gpu=machine.unused_gpu(settings),
    )


def _measured(
    recognizer: Recognizer, image: NDArray[np.uint8], show: Callable[[str], None]
) -> tuple[int, dict[str, StageMeasurement], int]:
    """Number of faces, stages by name in the order of `Timings`, and peak memory in bytes."""
    show("first photo")
    # Memory is measured on the first photo: later ones use the memory that it leaves allocated.
    stopwatch = MemoryStopwatch()
    recognizer.run_every_stage(image, [_middle(image)], stopwatch)
    found = [face.box for face in recognizer.recognize(image)]
    runs = []
    for run in range(RUNS):
        show(f"run {run + 1} of {RUNS}")
        runs.append(recognizer.run_every_stage(image, found or [_middle(image)]))
    stages = recognizer.stages()
    for name, stage in stages.items():
        if stage.fallbacks:
            raise CommandError(
                f"{name} fails on {stage.provider}, and dlib computes it instead: the reason is in the log"
            )
    measured = {
        name: StageMeasurement(
            stages[name], median(getattr(run, name) for run in runs), stopwatch.growth[name]
        )
        for name in (field.name for field in fields(Timings) if field.name in stages)
    }
    return len(found), measured, max(stopwatch.peak, memory_of_process(PEAK))


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (NOISE_ROWS, NOISE_COLUMNS, 3), np.uint8)


def _middle(image: NDArray[np.uint8]) -> Rectangle:
    rows, columns = image.shape[:2]
    side = max(min(rows, columns) // FACE_SHARE, 1)
    left, top = (columns - side) // 2, (rows - side) // 2
    return Rectangle(left, top, left + side - 1, top + side - 1)


def _gpu_memory() -> Memory:
    try:
        return nvidia.Driver().memory()
    except nvidia.DriverError as error:
        raise CommandError(str(error)) from error
