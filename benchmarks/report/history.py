"""History page of many results: trends of the main figures, one line per machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from benchmarks.harness import facts, wording
from benchmarks.harness.results import METRICS, Figure, Key, Result
from benchmarks.report import drawing, verdict
from benchmarks.report.page import TEMPLATES
from benchmarks.report.plots import RenderedPlot

TRENDS = ("times as fast", "photos per second")
"""Metrics with a trend, for the default model; photos per second of the service alone."""
IDENTITY = {facts.PROCESSOR: "", facts.CORES: " cores"}
"""Facts that identify a machine, and the units after them."""
COLOURS = ("ours", "upstream", "remote", "one", "two", "dlib")
"""Colours of the machines, by name in the style sheet."""


@dataclass(frozen=True)
class Machine:
    """Machine of some results, with its letter and colour in the plots."""

    name: str
    letter: str
    colour: str


@dataclass(frozen=True)
class HistoryRow:
    """Result as a row of the table; `changed` names the versions that differ from the machine's previous run."""

    made: str
    plan: str
    machine: str
    banner: verdict.Banner
    commit: str
    versions: dict[str, str]
    changed: frozenset[str]


def page(results: Iterable[Result]) -> str:
    """Render one self-contained HTML page, with the newest run first in its table.

    Args:
        results: in any order.

    Raises:
        ValueError: `made` of a result is not an ISO 8601 time.
    """
    ordered = sorted(results, key=lambda result: wording.utc(result.made))
    machines = _machines(ordered)
    trends = [
        _rendered(f"trend-{number}", ordered, machines, key) for number, key in enumerate(_followed(ordered))
    ]
    return TEMPLATES.get_template("history.html.jinja").render(
        machines=machines.values(),
        trends=[trend for trend in trends if trend is not None],
        runs=_runs(ordered, machines)[::-1],
    )


def machine_name(result: Result) -> str:
    """Name of a result's machine in one line, equal for all its runs."""
    machine = result.facts.get("machine", {})
    known = [name for name in IDENTITY if name in machine] or list(machine)
    return ", ".join(f"{machine[name]}{IDENTITY.get(name, '')}" for name in known) or "unknown machine"


def _machines(results: Sequence[Result]) -> dict[str, Machine]:
    names = dict.fromkeys(map(machine_name, results))
    return {
        name: Machine(name, chr(ord("A") + number), COLOURS[number % len(COLOURS)])
        for number, name in enumerate(names)
    }


def _followed(results: Sequence[Result]) -> list[Key]:
    keys = dict.fromkeys(
        figure.key
        for result in results
        for figure in result.find(section="throughput")
        if figure.key.metric in TRENDS
        and figure.key.model in (None, wording.DEFAULT_MODEL)
        and (METRICS[figure.key.metric].unit == "×" or figure.key.side == "service")
    )
    return sorted(keys, key=lambda key: (TRENDS.index(key.metric), key.name))


def _rendered(
    name: str, results: Sequence[Result], machines: dict[str, Machine], key: Key
) -> RenderedPlot | None:
    made = drawing.svg(name, lambda axes: _trend(axes, results, machines, key))
    title = f"{key.metric.capitalize()}: {wording.title(key)}"
    return made and RenderedPlot(name, title, caption=made[1], svg=made[0])


def _trend(axes: Axes, results: Sequence[Result], machines: dict[str, Machine], key: Key) -> str | None:
    lines: dict[str, list[tuple[float, Figure]]] = {}
    for result in results:
        for figure in result.figures:
            if figure.key == key:
                at = float(date2num(wording.utc(result.made)))  # type: ignore[no-untyped-call]
                lines.setdefault(machine_name(result), []).append((at, figure))
    last = []
    for name, line in lines.items():
        machine = machines[name]
        axes.errorbar(
            [at for at, _ in line],
            [figure.median for _, figure in line],
            [figure.noise for _, figure in line],
            color=drawing.LIGHT[machine.colour],
            marker="o",
            elinewidth=1,
            label=machine.letter,
        )
        last.append(f"{machine.letter} {wording.spread(line[-1][1])}")
    locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(x=0.04, y=0.15)
    drawing.from_zero(axes)
    axes.legend()
    return f"Latest: {', '.join(last)}."


def _runs(ordered: Sequence[Result], machines: dict[str, Machine]) -> list[HistoryRow]:
    before: dict[str, dict[str, str]] = {}
    runs = []
    for result in ordered:
        name = machine_name(result)
        versions = {
            key: str(value) for key, value in result.facts.get("versions", {}).items() if key != "commit"
        }
        older = before.get(name, versions)
        changed = frozenset(key for key, value in versions.items() if older.get(key) != value)
        before[name] = versions
        runs.append(
            HistoryRow(
                made=wording.moment(result.made),
                plan=result.plan,
                machine=machines[name].letter,
                banner=verdict.banner(result),
                commit=next(
                    (str(group["commit"]) for group in result.facts.values() if "commit" in group), ""
                ),
                versions=versions,
                changed=changed,
            )
        )
    return runs
