"""Gates: bounds of gates.toml applied to the figures of a result."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from benchmarks.harness import wording
from benchmarks.harness.results import Figure, Question, Result, Status, Verdict

RULES = Path(__file__).parent / "gates.toml"
SHOWN = 4
"""Number of figures that a verdict lists by name."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    figures: str
    """Pattern of figure names (fnmatch)."""

    def of(self, result: Result) -> list[Figure]:
        """Figures of a result that match the pattern."""
        return [figure for figure in result.figures if fnmatchcase(figure.key.name, self.figures)]


class Gate(_Rule):
    """Bound on figures of one run; the fields are explained in gates.toml."""

    name: str
    question: Question
    at_most: float | None = None
    at_least: float | None = None
    share_of: str = ""
    needs: Mapping[str, float] = {}
    optional: bool = False

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a gate has exactly one of at_most and at_least")
        return self

    def verdict(self, result: Result) -> Verdict | None:
        """Verdict on a result; None if the gate is optional and none of its figures was measured."""
        figures = self.of(result)
        if not figures:
            return None if self.optional else self._verdict("abstains", self._unmeasured())
        statuses = [(figure, self._status(figure, result)) for figure in figures]
        red = [figure for figure, status in statuses if status == "red"]
        if red:
            return self._verdict("red", f"{self._listed(red, result)}; {self._bound()}")
        open_ = [figure for figure, status in statuses if status == "abstains"]
        # A model without a face must not silence the gate for the other models; accuracy and speed need all figures.
        if open_ and (self.question != "same" or len(open_) == len(figures)):
            return self._verdict("abstains", self._reason(open_, result))
        return self._verdict("green", f"{self._summed_up(figures, result)}; {self._bound()}")

    def _status(self, figure: Figure, result: Result) -> Status:
        lacks = any(self._lacking(figure, result))
        if (self.question == "accurate" and lacks) or _one_round(figure):
            return "abstains"
        noise = _spread(figure)
        if not self._holds(self._value(figure, result), noise):
            return "red"
        return "abstains" if lacks or not self._holds(self._value(figure, result), -noise) else "green"

    def _reason(self, figures: Sequence[Figure], result: Result) -> str:
        lacking = sorted({text for figure in figures for text in self._lacking(figure, result)})
        if not lacking:
            why = wording.undecided(one_round=any(map(_one_round, figures)))
            return f"{why}: {self._listed(figures, result)}; {self._bound()}"
        # A breach on few faces is reported, but is no verdict.
        beyond = [figure for figure in figures if not self._holds(self._value(figure, result), 0.0)]
        breach = f"; beyond the bound: {self._listed(beyond, result)}" if beyond else ""
        return f"too few to judge: {', '.join(lacking)}{breach}"

    def _unmeasured(self) -> str:
        needs = " and ".join(wording.counted(least, metric) for metric, least in self.needs.items())
        return f"not measured; needs at least {needs}" if needs else "not measured"

    def _summed_up(self, figures: Sequence[Figure], result: Result) -> str:
        """Metric with its value, or with the value nearest to the bound and its case."""
        sign = 1 if self.at_least is None else -1
        worst = max(figures, key=lambda figure: sign * self._value(figure, result) + _spread(figure))
        about = self._named(worst, result)
        if len(figures) == 1:
            return about
        if len({(self._value(figure, result), _spread(figure)) for figure in figures}) == 1:
            return f"{about} in all {len(figures)} cases"
        extreme = "highest" if self.at_least is None else "lowest"
        return f"{about}, the {extreme} of {len(figures)} cases ({wording.title(worst.key)})"

    def _listed(self, figures: Sequence[Figure], result: Result) -> str:
        shown = [f"{self._named(figure, result)} ({wording.title(figure.key)})" for figure in figures[:SHOWN]]
        return ", ".join(shown) + (f" and {len(figures) - SHOWN} more" if len(figures) > SHOWN else "")

    def _named(self, figure: Figure, result: Result) -> str:
        """Metric with its value, or with the share that the bound is on."""
        shown = (
            f"{wording.number(self._value(figure, result))}{self._whole()}"
            if self.share_of
            else wording.spread(figure)
        )
        return f"{wording.metric(figure.key.metric)}: {shown}"

    def _whole(self) -> str:
        return f" of {wording.metric(self.share_of)}" if self.share_of else ""

    def _holds(self, value: float, slack: float) -> bool:
        """True if the value, improved by `slack`, is within the bound."""
        if self.at_most is not None:
            return value - slack <= self.at_most
        assert self.at_least is not None
        return value + slack >= self.at_least

    def _value(self, figure: Figure, result: Result) -> float:
        if not self.share_of:
            return figure.value
        whole = _companion(figure, self.share_of, result)
        return figure.value / whole if whole else float(figure.value > 0)

    def _lacking(self, figure: Figure, result: Result) -> Iterator[str]:
        for metric, least in self.needs.items():
            there = _companion(figure, metric, result)
            if there < least:
                yield f"{wording.counted(there, metric)} ({least:g} needed)"

    def _bound(self) -> str:
        if self.at_least is not None:
            return f"required: at least {wording.number(self.at_least)}{self._whole()}"
        assert self.at_most is not None
        return f"allowed: at most {wording.number(self.at_most)}{self._whole()}"

    def _verdict(self, status: Status, says: str) -> Verdict:
        return Verdict(gate=self.name, question=self.question, status=status, says=says)


class RatioRule(_Rule):
    """Lower bound on the ratio of a figure between two runs."""

    ratio_at_least: float
    same_machine: bool = False


class Rules(BaseModel):
    """Contents of gates.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Sequence[Gate]
    compare: Sequence[RatioRule]


@cache
def rules(path: Path = RULES) -> Rules:
    """Load and validate the rules. Raises OSError, tomllib.TOMLDecodeError or pydantic.ValidationError."""
    return Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def verdicts(result: Result, sections: Sequence[str]) -> list[Verdict]:
    """Verdicts of all gates on these sections."""
    found = (gate.verdict(result) for gate in rules().gate if gate.figures.split("/")[0] in sections)
    return [verdict for verdict in found if verdict is not None]


def _companion(figure: Figure, metric: str, result: Result) -> float:
    """Median of another metric under the same key, or without side, or without stage and side; else 0."""
    for less in ({}, {"side": ""}, {"stage": "", "side": ""}):
        other = result.at(figure.key.model_copy(update={"metric": metric, **less}))
        if other is not None:
            return other.median
    return 0.0


def _spread(figure: Figure) -> float:
    """Half-width of the spread that `wording.spread` shows; 0 for an exact figure."""
    return figure.noise if figure.scatters else 0.0


def _one_round(figure: Figure) -> bool:
    return figure.scatters and len(figure.values) == 1
