"""Measurements of a provider as steps, most needed first, which `harness.steps` fits into the minutes.

Parity is always measured, of the CPU in both precisions and against dlib too. For lack of time, rounds of the loads and
passes of the memory test are left out, the longest loads first. Each round measures the provider and the CPU one after
the other.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness.options import COMPARABLE_MODELS
from benchmarks.harness.steps import Need
from benchmarks.throughput.scenarios import OPENING, PHOTO_SECONDS, SECONDS

PHOTOS, MEGAPIXELS, SHAPES = 20, 0.3, 50
"""Photos of the comparison, their largest area, and number of shapes of the memory test."""
MODEL = 4
"""The default model, which has every stage."""
MODELS = (MODEL, *(model for model in COMPARABLE_MODELS if model != MODEL))
"""Models in the order of their comparison; the first is also the model of the loads."""
FLOAT32, MIXED = "float32", "mixed"
AUTO = "auto"
"""FACE_PRECISION of the CPU as the opponent of the loads: its default, and the fastest."""
TRIAL = 4.8
"""Least megapixels of a trial by default: 16 photos of 0.3 megapixels take a second on two cores."""
PASSES = 6
"""Passes over the shapes: 300 photos of 50 shapes."""
NEEDED_PASSES = 3
START_SECONDS = 4.0
"""Estimated seconds to start a service with a device and to stop it."""


@dataclass(frozen=True)
class Load:
    """Load of a trial."""

    megapixels: float
    callers: int
    need: Need = Need.VERDICT
    rounds: int = 2
    more_rounds: int = 3
    """Further rounds in time that is left over."""
    trial: float = TRIAL
    """Least megapixels of a trial."""

    @property
    def photos(self) -> int:
        """Photos of a trial: the same number for each caller."""
        return self.callers * math.ceil(self.trial / (self.callers * self.megapixels))

    @property
    def seconds(self) -> float:
        """Estimated seconds of a round of both sides."""
        return 2 * photo_seconds(self.megapixels) * self.photos

    def __str__(self) -> str:
        return f"{self.megapixels:g} MP, {self.callers} caller{'s' if self.callers > 1 else ''}"


@dataclass(frozen=True)
class Loads:
    """Loads of a check: of a device, of the CPU in float32 against its own default, of a device in mixed precision."""

    of_device: tuple[Load, ...]
    of_cpu: tuple[Load, ...]
    in_mixed: tuple[Load, ...]

    def of(self, *, on_cpu: bool) -> tuple[Load, ...]:
        return self.of_cpu if on_cpu else self.of_device

    @property
    def sizes(self) -> set[float]:
        """Megapixels of all loads."""
        return {load.megapixels for load in (*self.of_device, *self.of_cpu, *self.in_mixed)}


LOADS = Loads(
    of_device=(
        *(Load(size, callers) for callers in (8, 1) for size in (1.2, 0.3, 4.0)),
        *(Load(size, 64, Need.SHOULD, rounds=1) for size in (0.3, 1.2, 4.0)),
    ),
    of_cpu=(Load(0.3, 1), Load(1.2, 8)),
    in_mixed=tuple(Load(size, callers, Need.SHOULD) for size, callers in ((1.2, 8), (0.3, 1), (4.0, 1))),
)
_TINY = (Load(0.03, 1, rounds=1, more_rounds=0, trial=0.03),)
TINY = Loads(of_device=_TINY, of_cpu=_TINY, in_mixed=())
"""Loads of a quick look, and of a software adapter, which takes minutes for a megapixel."""


@dataclass(frozen=True)
class Round:
    """One round of a load."""

    load: Load
    number: int
    need: Need


def rounds(loads: tuple[Load, ...]) -> Iterator[Round]:
    """All loads' first rounds, then their second, ...: a check that ends early has measured every load once."""
    for number in range(max((load.rounds + load.more_rounds for load in loads), default=0)):
        for load in loads:
            if number < load.rounds + load.more_rounds:
                yield Round(load, number, load.need if number < load.rounds else Need.MAY)


def photo_seconds(megapixels: float) -> float:
    """Estimated seconds of a photo of the default model, on two cores."""
    return PHOTO_SECONDS + SECONDS["service"][MODEL] * megapixels


def compared_seconds(photos: int, *, on_cpu: bool) -> float:
    """Estimated seconds to start a service and to compare this number of photos."""
    return (OPENING["service"] if on_cpu else START_SECONDS) + photos * photo_seconds(MEGAPIXELS)


def dlib_seconds(photos: int, processes: int) -> float:
    """Estimated seconds of dlib for the photos: all models together, which share their detections."""
    return photos * MEGAPIXELS * SECONDS["dlib"][MODEL] / processes
