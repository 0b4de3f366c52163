"""Regression check between two results: the ratio of each figure, its noise, and the verdicts of gates.toml."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.harness import gates, wording
from benchmarks.harness.results import METRICS, Figure, Result, Status, Verdict, together

Change = Literal["better", "worse", "within noise", "not judged", "only in one", ""]
"""Kind of a change; not judged: one of both figures has one round."""


@dataclass(frozen=True)
class FigureChange:
    """One figure in both results."""

    name: str
    before: Figure | None
    after: Figure | None
    ratio: float | None
    """Improvement factor of a speed or memory, above 1 if the second result is better; None for other figures."""
    noise: float | None
    """Half-width of the ratio's 95 % interval, from the uncertainties of both medians; None with one round."""
    change: Change

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Name, both figures, the ratio and the kind of change, as text."""
        before, after = (wording.spread(figure) if figure else "–" for figure in (self.before, self.after))
        return self.name, before, after, self.ratio_text, self.change

    @property
    def ratio_text(self) -> str:
        """Ratio with its noise; empty without a ratio."""
        if self.ratio is None:
            return ""
        return f"{self.ratio:.2f} " + (
            f"({wording.ONE_ROUND})" if self.noise is None else f"± {self.noise:.2f}"
        )


def rows(before: Result, after: Result) -> Iterator[FigureChange]:
    """Figures of either result, in the order of the second."""
    old = {figure.key: figure for figure in before.figures}
    new = {figure.key: figure for figure in after.figures}
    for key in [*new, *(key for key in old if key not in new)]:
        yield _row(old.get(key), new.get(key))


def _row(before: Figure | None, after: Figure | None) -> FigureChange:
    figure = after or before
    assert figure is not None
    name = figure.key.name
    if before is None or after is None:
        return FigureChange(name, before, after, None, None, "only in one")
    better = METRICS[figure.key.metric].better
    if better == "neither" or not figure.scatters or before.median <= 0 or after.median <= 0:
        return FigureChange(
            name,
            before,
            after,
            None,
            None,
            "" if before.values == after.values else _direction(before, after),
        )
    ratio = after.median / before.median if better == "higher" else before.median / after.median
    if 1 in (len(before.values), len(after.values)):
        return FigureChange(name, before, after, ratio, None, "not judged")
    relative = (before.uncertainty / before.median) ** 2 + (after.uncertainty / after.median) ** 2
    noise = ratio * relative**0.5
    if abs(ratio - 1) <= noise:
        change: Change = "within noise"
    else:
        change = "better" if ratio > 1 else "worse"
    return FigureChange(name, before, after, ratio, noise, change)


def _direction(before: Figure, after: Figure) -> Change:
    """Change of a count or a difference, which has no spread and may be 0."""
    better = METRICS[before.key.metric].better
    if better == "neither" or before.value == after.value:
        return ""
    return "better" if (after.value > before.value) == (better == "higher") else "worse"


def verdicts(before: Result, after: Result) -> list[Verdict]:
    """Verdicts on the upgrade from one result to the other: all gates on the second, and the bounds on ratios.

    An incomplete run is red: a part that was not measured may be the one that changed.
    """
    sections = {figure.key.section for figure in after.figures} | {"parity"}
    found = gates.verdicts(after, sorted(sections))
    if not after.complete:
        found.append(
            Verdict(
                gate="second run complete",
                question="same",
                status="red",
                says="incomplete",
            )
        )
    machine = after.facts.get("machine")
    same_machine = machine is not None and machine == before.facts.get("machine")
    by_name = {row.name: row for row in rows(before, after)}
    for rule in gates.rules().compare:
        named = [
            by_name[figure.key.name]
            for figure in rule.of(after)
            if by_name[figure.key.name].ratio is not None
        ]
        found.append(_verdict(rule, named, same_machine))
    return found


def status(found: Sequence[Verdict]) -> Status:
    """Red if any verdict is; green only if the verdicts on equal answers are green."""
    if any(verdict.status == "red" for verdict in found):
        return "red"
    return together(verdict for verdict in found if verdict.question == "same")


def _verdict(rule: gates.RatioRule, named: Sequence[FigureChange], same_machine: bool) -> Verdict:
    def verdict(status: Status, says: str) -> Verdict:
        gate = f"{rule.figures} at least {rule.ratio_at_least:g} × before"
        return Verdict(gate=gate, question="faster", status=status, says=says)

    if rule.same_machine and not same_machine:
        return verdict("abstains", "measured on different machines")
    if not named:
        return verdict("abstains", "not measured in both results")
    bound = rule.ratio_at_least
    worse = [row for row in named if row.noise is not None and _ratio(row) + row.noise < bound]
    if worse:
        return verdict("red", ", ".join(f"{row.name} {row.ratio_text}" for row in worse))
    unclear = [row for row in named if row.noise is None or _ratio(row) - row.noise < bound]
    if unclear:
        first = min(unclear, key=_ratio)
        more = f" and {len(unclear) - 1} more" if unclear[1:] else ""
        why = wording.undecided(one_round=first.noise is None)
        return verdict("abstains", f"{why}: {first.name} {first.ratio_text}{more}")
    lowest = min(named, key=_ratio)
    return verdict("green", f"{lowest.name} {lowest.ratio_text}, the lowest of {len(named)}")


def _ratio(row: FigureChange) -> float:
    assert row.ratio is not None
    return row.ratio
