"""Plots of throughput and latency by number of callers, and of time per photo by size."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.harness import wording
from benchmarks.harness.results import Figure, Result
from benchmarks.report.drawing import SIDE_COLOURS, colour, from_zero

Line = list[tuple[float, Figure]]
"""Points of a side: x and figure, in ascending order of x."""


def latency(axes: Axes, result: Result, model: int | None) -> str | None:
    """Median and 99th percentile of the latency by number of callers."""
    median = _lines(result, "callers", "median latency", "callers", model)
    worst = _lines(result, "callers", "99 % latency", "callers", model)
    if not median:
        return None
    axes.set_yscale("log")
    for lines, words, style in ((median, "median", "-"), (worst, "99 %", (0, (1.5, 1.5)))):
        for side, line in lines.items():
            _draw(axes, line, side, label=f"{side}, {words}", linestyle=style)
    axes.legend()
    _callers(axes, median)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.quantity(value, "median latency")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("latency of a photo")
    return _at_the_end(median, lambda at: f"Median latency with {at:g} callers:")


def rate(axes: Axes, result: Result, model: int | None) -> str | None:
    """Photos per second by number of callers."""
    lines = _lines(result, "callers", "photos per second", "callers", model)
    if not lines:
        return None
    _all(axes, lines)
    _callers(axes, lines)
    axes.set_ylabel("photos per second")
    return _at_the_end(lines, lambda at: f"Photos per second with {at:g} callers:")


def area(axes: Axes, result: Result, model: int | None) -> str | None:
    """Seconds per photo by megapixels."""
    lines = _lines(result, "area", "seconds", "megapixels", model)
    if not lines:
        return None
    _all(axes, lines)
    furthest = max(line[-1][0] for line in lines.values())
    axes.set_xlim(-0.02 * furthest, 1.02 * furthest)
    axes.set_xlabel("megapixels")
    axes.set_ylabel("seconds per photo")
    return _at_the_end(lines, lambda at: f"A photo of {at:g} MP:")


def _lines(result: Result, section: str, metric: str, against: str, model: int | None) -> dict[str, Line]:
    """One line per side with figures of this metric, in the order of `SIDE_COLOURS`."""
    lines: dict[str, Line] = {side: [] for side in SIDE_COLOURS}
    for figure in result.find(section=section, metric=metric, model=model):
        at = getattr(figure.key, against)
        if at is not None:
            lines.setdefault(figure.key.side, []).append((float(at), figure))
    return {side: sorted(line, key=lambda point: point[0]) for side, line in lines.items() if line}


def _all(axes: Axes, lines: dict[str, Line]) -> None:
    for side, line in lines.items():
        _draw(axes, line, side, label=side)
    from_zero(axes)
    axes.legend()


def _draw(axes: Axes, line: Line, side: str, **style: object) -> None:
    positions = [at for at, _ in line]
    values = [figure.median for _, figure in line]
    axes.plot(positions, values, color=colour(side), marker="o", markersize=4.5, **style)  # type: ignore[arg-type]
    low = [max(figure.median - figure.noise, min(figure.values)) for _, figure in line]
    high = [min(figure.median + figure.noise, max(figure.values)) for _, figure in line]
    axes.fill_between(positions, low, high, color=colour(side), alpha=0.15, linewidth=0)


def _callers(axes: Axes, lines: dict[str, Line]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted({at for line in lines.values() for at, _ in line})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("concurrent callers")
    axes.grid(visible=True, axis="y")


def _at_the_end(lines: dict[str, Line], begin: Callable[[float], str]) -> str:
    """Caption with each side's value at the largest x that all sides have."""
    shared = set.intersection(*({at for at, _ in line} for line in lines.values()))
    if not shared:
        return "The sides were not measured at a common point."
    at = max(shared)
    values: Sequence[str] = [f"{side} {wording.spread(dict(line)[at])}" for side, line in lines.items()]
    return f"{begin(at)} {', '.join(values)}."
