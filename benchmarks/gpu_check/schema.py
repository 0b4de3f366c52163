"""Result file of a check, gpu-check.json, fit for a public report: no names of hosts, people, files or photos.

Records are filled while the check runs, so that an interrupted one keeps what it measured.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.harness.results import NoResult
from model_store.atomic import atomic_file

FORMAT: Literal[1] = 1
"""Version of the file."""

Kind = Literal["cpu", "discrete", "integrated", "virtual", "software"]
"""Computing hardware: the CPU, also by OpenVINO; three kinds of GPUs; a software adapter, which is a GPU's interface
computed by the CPU."""
GPUS: tuple[Kind, ...] = ("discrete", "integrated", "virtual")
Source = Literal["drm", "nvidia", "unknown"]
"""Source of a device's memory: the kernel's DRM, of one process; NVIDIA's driver, of the whole device."""


class Record(BaseModel):
    """Part of the file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Start(Record):
    """Start of a service."""

    model: int
    precision: str
    seconds: float
    """From the start of the process until `/ready` succeeded."""


class Proof(Record):
    """Proof of a device at the start, as the service tells it in `/info`."""

    provider: str | None = None
    device: str | None = None
    driver: str | None = None
    passed: bool | None = None
    reason: str | None = None
    score_difference: float | None = None
    descriptor_difference: float | None = None
    faces_differ: bool | None = None
    time_ratio: float | None = None
    """Time on the device divided by the CPU's."""
    kept: bool | None = None
    """True if the time was measured at an earlier start."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Proof":
        """Known fields of an object of `/info`, which may have others."""
        return cls(**{name: told[name] for name in cls.model_fields if name in told})


class Scan(Record):
    """Scan of the CNN detector with FACE_PRECISION=mixed, as `/info` tells it at the end of a service."""

    precision: str
    """`precision` of `/info`, such as `float16 scan`; `float32` if the scan was refused."""
    refused: str | None = None
    """Reason why the trial at the start refused it."""
    stopped: str | None = None
    """Reason why it stopped itself."""
    time_ratio: float | None = None
    """Time of the scan alone divided by that of float32, in the trial."""
    largest_error: float | None = None
    """Largest difference of a score from float32, in the trial."""

    @classmethod
    def of(cls, stage: Mapping[str, Any]) -> "Scan":
        """From the detector's object of `/info`."""
        trial, scan = stage.get("trial") or {}, stage.get("scan") or {}
        return cls(
            precision=stage["precision"],
            refused=stage.get("scan_refused"),
            stopped=scan.get("stopped"),
            time_ratio=trial.get("time_ratio"),
            largest_error=trial.get("largest_error"),
        )


class Parity(Record):
    """Comparison of one model's answers, with the units of `benchmarks.parity.comparison.Comparison`."""

    model: int
    precision: str
    against: Literal["cpu", "dlib"]
    photos: int
    faces: int
    failed: int
    faces_differing: int
    landmarks_differing: int
    confidence_difference: float
    descriptor_difference: float


class Speed(Record):
    """Photos a second of a provider and of the CPU, in alternating rounds."""

    precision: str
    megapixels: float
    callers: int
    photos: int
    """Of each trial."""
    rates: list[float] = []
    """Of the provider, by round."""
    cpu_rates: list[float] = []
    """Of the CPU with default settings, in the same rounds."""
    failed: int = 0
    """Photos with any answer but 200, of both sides."""

    @property
    def ratios(self) -> list[float]:
        """Provider divided by CPU, by round."""
        return [rate / other for rate, other in zip(self.rates, self.cpu_rates, strict=True) if other]

    @property
    def ratio(self) -> float | None:
        """Median of the ratios; None without a round."""
        return statistics.median(self.ratios) if self.ratios else None


class Memory(Record):
    """Memory of the worker process after each pass over photos of the same shapes, in MiB."""

    shapes: int
    photos: int = 0
    source: Source = "unknown"
    device: list[float] = []
    """By pass; empty if the source is unknown."""
    resident: list[float] = []
    """Resident set of the whole service, by pass."""


class ShortMemory(Record):
    """Photos sent to a service without enough device memory for them."""

    skipped: str | None = None
    """Reason why it was not tried, or why the CPU computed all of it."""
    limit: float | None = None
    """MiB of both networks together."""
    on_cpu: int = 0
    """Runs of a network on the CPU for lack of device memory."""
    parity: Parity | None = None


class ProviderRecord(Record):
    """A provider: what it is, and everything measured."""

    name: str
    """Value of FACE_PROVIDERS."""
    kind: Kind | None = None
    """None if it was not used."""
    device: str | None = None
    """Name by the driver."""
    unused: str | None = None
    """Reason why the CPU takes its place; None if it computes."""
    failure: str | None = None
    """Error that ended its part of the check."""
    proof: Proof | None = None
    scan: Scan | None = None
    """None if no service in mixed precision was measured."""
    starts: list[Start] = []
    parity: list[Parity] = []
    speed: list[Speed] = []
    memory: Memory | None = None
    short_memory: ShortMemory | None = None
    fallbacks: int = 0
    """Calls that dlib computed, since the engine failed."""
    on_cpu: int = 0
    """Runs of a network on the CPU for lack of device memory, other than in `short_memory`."""


class GpuCheck(Record):
    """Check of a machine."""

    format: Literal[1] = FORMAT
    made: str
    """Start, UTC, ISO 8601."""
    minutes: float
    """Time limit."""
    seconds: float = 0.0
    """Time taken."""
    complete: bool = False
    """False if it was interrupted, or a part failed."""
    left_out: list[str] = []
    """Measurements, at least in part, for which the time did not suffice."""
    facts: dict[str, dict[str, str | int | float]] = {}
    """Machine, versions and load, by group."""
    providers: list[ProviderRecord] = []

    def save(self, path: Path) -> None:
        with atomic_file(path) as file:
            file.write((self.model_dump_json(indent=1) + "\n").encode())


def load(path: Path) -> GpuCheck:
    """Read a result file. Raises NoResult."""
    try:
        return GpuCheck.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise NoResult(f"{path} is not a result of this check: {str(error).splitlines()[0]}") from error


def spread(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Median, lowest and highest value of the rounds; None without a round."""
    return (statistics.median(values), min(values), max(values)) if values else None
