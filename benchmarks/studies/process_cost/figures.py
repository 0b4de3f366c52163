"""Medians of both sides' figures, and ratios of their rounds."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RatioRow:
    """Figure of both sides over all rounds."""

    name: str
    before: float
    """Median."""
    now: float
    """Median."""
    ratio: float
    """Median of the rounds' ratios now/before."""
    quartiles: tuple[float, float]
    """Lower and upper quartile of these ratios."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Name, both medians, their difference, the ratio and its quartiles, as text."""
        low, high = self.quartiles
        figures = (_digits(self.before), _digits(self.now), _digits(self.now - self.before, sign="+"))
        return (self.name, *figures, f"{self.ratio:.3f}", f"{low:.3f} to {high:.3f}")


HEADINGS = ("", "before", "now", "difference", "now/before", "quartiles")


@dataclass
class Figures:
    """Figures by name, side and round, in order of first occurrence."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def note(self, side: str, figures: dict[str, float]) -> None:
        """Add a round of a side."""
        for name, value in figures.items():
            self.values.setdefault(name, {}).setdefault(side, []).append(value)

    def rows(self) -> Iterator[RatioRow]:
        """One row per figure; rounds of only one of the sides `before` and `now` are ignored."""
        for name, sides in self.values.items():
            if rounds := list(zip(sides.get("before", ()), sides.get("now", ()), strict=False)):
                yield _row(name, rounds)


def _row(name: str, rounds: Sequence[tuple[float, float]]) -> RatioRow:
    ratios = [now / before if before else math.nan for before, now in rounds]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if rounds[1:] else ratios * 3
    befores, nows = zip(*rounds, strict=True)
    return RatioRow(name, statistics.median(befores), statistics.median(nows), middle, (low, high))


def _digits(value: float, sign: str = "") -> str:
    """Text with at least three significant digits from 1 on."""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:{sign}.{places}f}"
