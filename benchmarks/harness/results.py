"""Result of a run (`result.json`): figures, series of the plots, verdicts, and facts about the environment.

It contains no photo name and no descriptor, so that it can be shared. Only the report has the photos' names.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store.atomic import atomic_file

FORMAT: Final = 1
"""Format version: incremented when the meaning of a figure or the structure of the file changes."""

Better = Literal["higher", "lower", "neither"]
Question = Literal["same", "accurate", "faster"]
"""Same answers as the baseline, same accuracy in recognising people, faster."""


class Metric(NamedTuple):
    """Unit of a figure, and the direction of improvement."""

    unit: str
    better: Better
    scatters: bool = False
    """True for a measured speed or memory: its rounds differ. Counts and differences of answers are exact."""


METRICS: dict[str, Metric] = {
    # parity: totals and maxima over all photos or faces
    "photos": Metric("photos", "neither"),
    "faces": Metric("faces", "neither"),
    "pairs": Metric("pairs", "neither"),
    "all pairs": Metric("pairs", "neither"),
    "marked faces": Metric("faces", "neither"),
    "marked faces found": Metric("", "higher"),
    "failed": Metric("photos", "lower"),
    "unknown": Metric("photos", "lower"),
    "decoded by the reference alone": Metric("photos", "lower"),
    "stages by another engine": Metric("stages", "lower"),
    "faces differing": Metric("faces", "lower"),
    "photos differing": Metric("photos", "lower"),
    "verdicts differing": Metric("faces", "lower"),
    "mean difference": Metric("levels", "lower"),
    "largest difference": Metric("", "lower"),
    "confidence difference": Metric("", "lower"),
    "across 0.99": Metric("faces", "lower"),
    "compute difference": Metric("", "lower"),
    "pairs across 0.4": Metric("pairs", "lower"),
    "pairs across 0.6": Metric("pairs", "lower"),
    "accuracy at 0.4": Metric("", "higher"),
    "accuracy at 0.6": Metric("", "higher"),
    "accuracy lost at 0.4": Metric("", "lower"),
    "accuracy lost at 0.6": Metric("", "lower"),
    "groups": Metric("groups", "neither"),
    "pairs grouped otherwise": Metric("pairs", "lower"),
    # the CNN detector's scan in int8
    "crowded": Metric("photos", "neither"),
    "deviating": Metric("photos", "neither"),
    "checked": Metric("photos", "neither"),
    "share rescored": Metric("", "neither"),
    "largest error": Metric("", "lower"),
    "stopped": Metric("", "lower"),
    # throughput: one value per round
    "photos per second": Metric("photos/s", "higher", scatters=True),
    "median latency": Metric("s", "lower", scatters=True),
    "95 % latency": Metric("s", "lower", scatters=True),
    "99 % latency": Metric("s", "lower", scatters=True),
    "seconds": Metric("s", "lower", scatters=True),
    "CPU seconds per photo": Metric("s", "lower", scatters=True),
    "peak memory": Metric("MiB", "lower", scatters=True),
    "times as fast": Metric("×", "higher", scatters=True),
    "times less memory": Metric("×", "higher", scatters=True),
    "ready after": Metric("s", "lower", scatters=True),
    # roofline
    "matrix product": Metric("GFLOP/s", "neither", scatters=True),
    "memory bandwidth": Metric("GB/s", "neither", scatters=True),
    "int8 matrix product": Metric("GOP/s", "neither", scatters=True),
    "network": Metric("GFLOP/s", "higher", scatters=True),
    "int8 network": Metric("GOP/s", "higher", scatters=True),
    "share of matrix product": Metric("", "higher", scatters=True),
    "share of int8 matrix product": Metric("", "higher", scatters=True),
    "share of bandwidth": Metric("", "neither", scatters=True),
    "operations per byte": Metric("FLOP/B", "neither"),
}
"""All metrics by name."""


class NumberKind(NamedTuple):
    """Metrics of the roofline for one kind of numbers."""

    network: str
    """Operations a second of a network."""
    peak: str
    """Operations a second of the machine's matrix product."""
    share: str
    """Share of the peak that a network reaches."""


FLOAT32 = NumberKind("network", "matrix product", "share of matrix product")
INT8 = NumberKind("int8 network", "int8 matrix product", "share of int8 matrix product")

_T95 = (math.inf, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95 % quantiles of Student's t by degrees of freedom; the last value also serves for more than 9."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Key(_Frozen):
    """Identity of a figure. A part that is None or empty does not apply."""

    section: str
    """parity, accuracy, throughput, callers, stages, area, faces, roofline."""
    metric: str
    """One of `METRICS`."""
    stage: str = ""
    """cnn, hog, landmarks 5, chips, descriptors, ... or a network's name."""
    side: str = ""
    """library, service, dlib, upstream, remote; candidate or reference in parity; "service against dlib" of a ratio."""
    model: int | None = None
    """FACE_MODEL."""
    megapixels: float | None = None
    callers: int | None = None
    faces: int | None = None

    @property
    def name(self) -> str:
        """All parts, separated by slashes: the name that `gates.toml` matches."""
        case = (
            f"model {self.model}" if self.model is not None else "",
            f"{self.megapixels:g} MP" if self.megapixels is not None else "",
            f"{self.callers} callers" if self.callers is not None else "",
            f"{self.faces} faces" if self.faces is not None else "",
        )
        return "/".join(part for part in (self.section, *case, self.stage, self.side, self.metric) if part)


class Figure(_Frozen):
    """Measured quantity: one value per round, or a single value."""

    key: Key
    values: list[float] = Field(min_length=1)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def scatters(self) -> bool:
        """True if the rounds of this metric differ by chance."""
        return METRICS[self.key.metric].scatters

    @property
    def value(self) -> float:
        """Median of the rounds; the worst one of a count or a difference, where each round counts."""
        better = METRICS[self.key.metric].better
        if self.scatters or better == "neither":
            return self.median
        return max(self.values) if better == "lower" else min(self.values)

    @property
    def noise(self) -> float:
        """Half-width of the 95 % prediction interval of another round around the median (Student's t)."""
        return self._deviation * math.sqrt(1 + 1 / len(self.values))

    @property
    def uncertainty(self) -> float:
        """Half-width of the 95 % confidence interval of the median, from the scatter of the rounds (Student's t)."""
        return self._deviation / math.sqrt(len(self.values))

    @property
    def _deviation(self) -> float:
        count = len(self.values)
        return _T95[min(count - 1, len(_T95) - 1)] * statistics.stdev(self.values) if count > 1 else 0.0


class Series(_Frozen):
    """Data of a plot in columns of equal length: `confidences`, `distances`, ..."""

    name: str
    columns: dict[str, list[float]]
    model: int | None = None


Status = Literal["green", "red", "abstains"]
EXIT: Mapping[Status, int] = {"green": 0, "red": 1, "abstains": 3}
"""Exit status of a command by its verdict."""
NOTHING_DONE = 2
"""Exit status if nothing was measured or read, or the command line is invalid."""
INTERRUPTED = 130
"""Exit status after Ctrl-C or SIGTERM, as in a shell."""


class Verdict(_Frozen):
    """Verdict of one gate; `says` is the reason for its status, in words."""

    gate: str
    question: Question
    status: Status
    says: str


class Result(BaseModel):
    """Result of a run. `facts` describes its environment by group: machine, versions, settings, corpus, ..."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    made: str
    """Start of the run, UTC, ISO 8601."""
    plan: str
    """quick or full."""
    complete: bool = False
    """True if every step was run."""
    seconds: float = 0.0
    facts: dict[str, dict[str, str | int | float]] = {}
    figures: list[Figure] = []
    series: list[Series] = []
    verdicts: list[Verdict] = []

    def note(self, key: Key, *values: float) -> None:
        """Append values to a figure."""
        if key.metric not in METRICS:
            raise ValueError(f"unknown metric {key.metric!r}")
        for number, figure in enumerate(self.figures):
            if figure.key == key:
                self.figures[number] = Figure(key=key, values=[*figure.values, *values])
                return
        self.figures.append(Figure(key=key, values=list(values)))

    def at(self, key: Key) -> Figure | None:
        """Figure of exactly this key."""
        return next((figure for figure in self.figures if figure.key == key), None)

    def find(self, **parts: str | float | None) -> Iterator[Figure]:
        """Figures whose keys have all these parts."""
        for figure in self.figures:
            if all(getattr(figure.key, name) == value for name, value in parts.items()):
                yield figure

    @property
    def status(self) -> Status:
        """Red if a gate is red or the run is incomplete; green only if all gates on equal answers are green.

        Gates on accuracy and speed may abstain: few photos are no reason not to switch.
        """
        if not self.complete or any(verdict.status == "red" for verdict in self.verdicts):
            return "red"
        return together(verdict for verdict in self.verdicts if verdict.question == "same")

    def save(self, path: Path) -> None:
        with atomic_file(path) as file:
            file.write((self.model_dump_json() + "\n").encode())


class NoResult(ValueError):
    """A file is not a result of these benchmarks. One line."""


def load(path: Path) -> Result:
    """Read a result. Raises NoResult."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise NoResult(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NoResult(f"{path} is not a result of these benchmarks: {where} {first['msg']}") from error


def together(verdicts: Iterable[Verdict]) -> Status:
    """Worst status of several verdicts: red, abstains, green. Without verdicts: abstains."""
    statuses: Sequence[Status] = [verdict.status for verdict in verdicts]
    if "red" in statuses:
        return "red"
    return "green" if statuses and "abstains" not in statuses else "abstains"
