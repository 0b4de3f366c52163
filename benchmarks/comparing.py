"""Two results side by side: what changed, and whether it is more than noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks import gates
from benchmarks.results import METRICS, Figure, Result, Verdict

Change = Literal["better", "worse", "within noise", "only in one", ""]


@dataclass(frozen=True)
class Row:
    """One figure in both results."""

    name: str
    before: Figure | None
    after: Figure | None
    ratio: float | None
    """How many times better the second is: above 1 where higher is better and it is higher. None: cannot be said."""
    noise: float
    """How far the ratio may be off."""
    change: Change

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Name, both figures, the ratio and what it means, as text."""
        ratio = f"{self.ratio:.2f} ± {self.noise:.2f}" if self.ratio is not None else ""
        return self.name, str(self.before or "–"), str(self.after or "–"), ratio, self.change


def rows(before: Result, after: Result) -> Iterator[Row]:
    """Every figure of either, in the order of the second."""
    old = {figure.key: figure for figure in before.figures}
    new = {figure.key: figure for figure in after.figures}
    for key in [*new, *(key for key in old if key not in new)]:
        yield _row(old.get(key), new.get(key))


def _row(before: Figure | None, after: Figure | None) -> Row:
    figure = after or before
    assert figure is not None
    name = figure.key.name
    if before is None or after is None:
        return Row(name, before, after, None, 0.0, "only in one")
    better = METRICS[figure.key.metric].better
    if better == "neither" or before.median <= 0 or after.median <= 0:
        return Row(
            name, before, after, None, 0.0, "" if before.values == after.values else _direction(before, after)
        )
    ratio = after.median / before.median if better == "higher" else before.median / after.median
    relative = (before.noise / before.median) ** 2 + (after.noise / after.median) ** 2
    noise = ratio * relative**0.5
    if abs(ratio - 1) <= noise:
        change: Change = "within noise"
    else:
        change = "better" if ratio > 1 else "worse"
    return Row(name, before, after, ratio, noise, change)


def _direction(before: Figure, after: Figure) -> Change:
    """Of a figure that is a count or a difference, where a ratio to 0 says nothing."""
    better = METRICS[before.key.metric].better
    if better == "neither" or before.median == after.median:
        return ""
    return "better" if (after.median > before.median) == (better == "higher") else "worse"


def verdicts(before: Result, after: Result) -> list[Verdict]:
    """Whether to go from one to the other: the second's own gates, and the bounds of gates.toml on the ratios.

    A run that was interrupted is red: what it did not measure may be what has changed.
    """
    found = [verdict for verdict in after.verdicts if verdict.question != "faster"]
    if not after.complete:
        found.append(_verdict("the second run was not interrupted", "red", "it was", question="same"))
    same_machine = before.facts.get("machine") == after.facts.get("machine")
    by_name = {row.name: row for row in rows(before, after)}
    for rule in gates.rules().compare:
        named = [
            by_name[figure.key.name]
            for figure in rule.of(after)
            if by_name[figure.key.name].ratio is not None
        ]
        gate = f"{rule.figures} at least {rule.ratio_at_least:g} of before"
        if rule.same_machine and not same_machine:
            found.append(_verdict(gate, "abstains", "measured on different machines"))
        elif not named:
            found.append(_verdict(gate, "abstains", "not measured in both"))
        else:
            worse = [row for row in named if _ratio(row) + row.noise < rule.ratio_at_least]
            said = ", ".join(f"{row.name} {_ratio(row):.2f} ± {row.noise:.2f}" for row in worse)
            worst = min(named, key=_ratio)
            found.append(
                _verdict(gate, "red", said)
                if worse
                else _verdict(
                    gate, "green", f"the worst: {worst.name} {_ratio(worst):.2f} ± {worst.noise:.2f}"
                )
            )
    return found


def _ratio(row: Row) -> float:
    assert row.ratio is not None
    return row.ratio


def _verdict(
    gate: str, status: Literal["green", "red", "abstains"], says: str, question: str = "faster"
) -> Verdict:
    return Verdict.model_validate({"gate": gate, "question": question, "status": status, "says": says})


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
