"""Medians of both sides' figures, and the ratios of their rounds."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A figure of both sides over all rounds."""

    name: str
    before: float
    """Median."""
    now: float
    """Median."""
    ratio: float
    """Median of the rounds' ratios, now to before."""
    half: tuple[float, float]
    """Lower and upper quartile of these ratios: the middle half of the rounds lies between them."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Name, both medians, their difference, the ratio and its middle half, as text."""
        low, high = self.half
        figures = (_digits(self.before), _digits(self.now), _digits(self.now - self.before, sign="+"))
        return (self.name, *figures, f"{self.ratio:.3f}", f"{low:.3f} to {high:.3f}")


HEADINGS = ("", "before", "now", "difference", "now/before", "middle half")


@dataclass
class Figures:
    """Figures by name, side and round; names keep the order in which they came first."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def note(self, side: str, figures: dict[str, float]) -> None:
        """Add a round of a side."""
        for name, value in figures.items():
            self.values.setdefault(name, {}).setdefault(side, []).append(value)

    def rows(self) -> Iterator[Row]:
        """A row of each figure; rounds that only one of the sides `before` and `now` has do not count."""
        for name, sides in self.values.items():
            if rounds := list(zip(sides.get("before", ()), sides.get("now", ()), strict=False)):
                yield _row(name, rounds)


def _row(name: str, rounds: Sequence[tuple[float, float]]) -> Row:
    ratios = [now / before if before else math.nan for before, now in rounds]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if rounds[1:] else ratios * 3
    befores, nows = zip(*rounds, strict=True)
    return Row(name, statistics.median(befores), statistics.median(nows), middle, (low, high))


def _digits(value: float, sign: str = "") -> str:
    """At least three digits that say something."""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:{sign}.{places}f}"
