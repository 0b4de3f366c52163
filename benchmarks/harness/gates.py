"""From figures to verdicts, by the rules of gates.toml."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from benchmarks.harness.results import Figure, Question, Result, Status, Verdict

RULES = Path(__file__).parent / "gates.toml"


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    figures: str
    """A pattern for figures' names (fnmatch)."""

    def of(self, result: Result) -> list[Figure]:
        """The figures that it speaks of."""
        return [figure for figure in result.figures if fnmatchcase(figure.key.name, self.figures)]


class Gate(_Rule):
    """A bound for the figures of one run."""

    name: str
    question: Question
    at_most: float | None = None
    at_least: float | None = None
    share_of: str = ""
    needs: Mapping[str, float] = {}
    optional: bool = False
    within_noise: bool = False
    """Red only beyond the figure's own uncertainty, and no verdict within it."""

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a gate has one of at_most and at_least")
        return self

    def verdict(self, result: Result) -> Verdict | None:
        """What it says of a result; None where it is optional and nothing was measured."""
        figures = self.of(result)
        if not figures:
            return None if self.optional else self._verdict("abstains", "not measured")
        statuses = [(figure, self._status(figure, result)) for figure in figures]
        red = [figure for figure, status in statuses if status == "red"]
        if red:
            return self._verdict("red", f"{_listed(red)}; {self._bound()}")
        open_ = [figure for figure, status in statuses if status == "abstains"]
        # That one model found no face is no verdict on the others; yet what is said of people needs all of them.
        if open_ and (self.question != "same" or len(open_) == len(figures)):
            return self._verdict("abstains", self._why(open_, result))
        worst = max(
            figures, key=lambda figure: self._value(figure, result) * (1 if self.at_least is None else -1)
        )
        return self._verdict("green", f"{len(figures)} figures, the worst: {worst}; {self._bound()}")

    def _status(self, figure: Figure, result: Result) -> Status:
        lacks = any(True for _ in self._lacking(figure, result))
        if self.question == "accurate" and lacks:
            return "abstains"
        noise = figure.uncertainty if self.within_noise else 0.0
        if not self._holds(self._value(figure, result), noise):
            return "red"
        return "abstains" if lacks or not self._holds(self._value(figure, result), -noise) else "green"

    def _why(self, figures: Sequence[Figure], result: Result) -> str:
        lacking = sorted({text for figure in figures for text in self._lacking(figure, result)})
        if not lacking:
            return f"within the noise: {_listed(figures)}; {self._bound()}"
        # What is wrong with few faces would be wrong with many: worth a word, yet no verdict.
        beyond = [figure for figure in figures if not self._holds(self._value(figure, result), 0.0)]
        seen = f"; beyond the bound: {_listed(beyond)}" if beyond else ""
        return f"too few to judge: {', '.join(lacking)}{seen}"

    def _holds(self, value: float, slack: float) -> bool:
        """Whether a value holds the bound, if it may be so much better than it was measured."""
        if self.at_most is not None:
            return value - slack <= self.at_most
        assert self.at_least is not None
        return value + slack >= self.at_least

    def _value(self, figure: Figure, result: Result) -> float:
        if not self.share_of:
            return figure.median
        whole = _beside(figure, self.share_of, result)
        return figure.median / whole if whole else float(figure.median > 0)

    def _lacking(self, figure: Figure, result: Result) -> Iterator[str]:
        for metric, least in self.needs.items():
            there = _beside(figure, metric, result)
            if there < least:
                yield f"{there:g} {metric}, {least:g} are needed"

    def _bound(self) -> str:
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{bound} of {self.share_of}" if self.share_of else bound

    def _verdict(self, status: Status, says: str) -> Verdict:
        return Verdict(gate=self.name, question=self.question, status=status, says=says)


class Comparison(_Rule):
    """A bound for a figure of one run over that of another."""

    ratio_at_least: float
    same_machine: bool = False


class Rules(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Sequence[Gate]
    compare: Sequence[Comparison]


@cache
def rules(path: Path = RULES) -> Rules:
    """The rules. Raises OSError, tomllib.TOMLDecodeError or pydantic.ValidationError."""
    return Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def verdicts(result: Result, sections: Sequence[str]) -> list[Verdict]:
    """What all gates on these sections say."""
    said = (gate.verdict(result) for gate in rules().gate if gate.figures.split("/")[0] in sections)
    return [verdict for verdict in said if verdict is not None]


def _beside(figure: Figure, metric: str, result: Result) -> float:
    """Another metric of the same case, of the figure's side and stage or of all; 0 where it was not measured."""
    for less in ({}, {"side": ""}, {"stage": "", "side": ""}):
        other = result.at(figure.key.model_copy(update={"metric": metric, **less}))
        if other is not None:
            return other.median
    return 0.0


def _listed(figures: Sequence[Figure]) -> str:
    shown = [f"{figure.key.name} {figure}" for figure in figures[:4]]
    return ", ".join(shown) + (f" and {len(figures) - 4} more" if len(figures) > 4 else "")
