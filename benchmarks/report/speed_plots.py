"""Plots of throughput and latency by number of callers, and of time per photo by size."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.harness import wording
from benchmarks.harness.results import Figure, Result
from benchmarks.report.drawing import SIDE_COLOURS, colour, from_zero

Line = list[tuple[float, Figure]]
"""Points of a side: x and figure, in ascending order of x."""
ROOM = 2.5
"""Factor from the smallest and the largest median to the ends of a logarithmic axis, for spreads and labels."""


def latency(axes: Axes, result: Result, model: int | None) -> str | None:
    """Median and 99th percentile of the latency by number of callers."""
    median = _lines(result, "callers", "median latency", "callers", model)
    worst = _lines(result, "callers", "99 % latency", "callers", model)
    if not median:
        return None
    _logarithmic(axes, [figure for lines in (median, worst) for line in lines.values() for _, figure in line])
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


def by_size(axes: Axes, result: Result, model: int | None) -> str | None:
    """Photos per second by size on a logarithmic scale: this recogniser, dlib, and the ratio of each size."""
    about = {"section": "throughput", "model": model, "callers": 1}
    ratios = sorted(
        result.find(metric="times as fast", side="library against dlib", **about),
        key=lambda figure: figure.key.megapixels or 0,
    )
    if not ratios:
        return None
    sizes = [figure.key.megapixels for figure in ratios]
    places = range(len(sizes))
    rates = {
        side: [
            next(result.find(metric="photos per second", side=side, megapixels=size, **about))
            for size in sizes
        ]
        for side in ("library", "dlib")
    }
    _logarithmic(axes, [figure for line in rates.values() for figure in line])
    for place, ours, theirs, ratio in zip(places, rates["library"], rates["dlib"], ratios, strict=True):
        axes.plot([place] * 2, [theirs.median, ours.median], color=colour("dlib"), linewidth=0.8, zorder=1)
        middle = (ours.median * theirs.median) ** 0.5
        axes.text(place + 0.03, middle, f"{wording.spread(ratio)} as fast", va="center", fontweight="bold")
    # A label is beside its bar, on the side that is free of the falling line.
    beside: dict[str, Any] = {"xytext": (7, 2), "ha": "left", "va": "bottom"}
    below: dict[str, Any] = {"xytext": (-7, -2), "ha": "right", "va": "top"}
    for side, name, position in (("library", "this service", beside), ("dlib", "dlib", below)):
        medians = [figure.median for figure in rates[side]]
        noise = [figure.noise for figure in rates[side]]
        axes.errorbar(places, medians, noise, color=colour(side), marker="o", elinewidth=1.2, capsize=3)
        for place, figure in zip(places, rates[side], strict=True):
            words = f"{name}: " if place == 0 else ""
            axes.annotate(
                f"{words}{wording.number(figure.median)}",
                (place, figure.median),
                textcoords="offset points",
                color=colour(side),
                **position,
            )
    axes.set_xticks(places, [f"{size:g} MP" for size in sizes])
    axes.set_xlim(-0.4, len(sizes) - 0.35)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("photos a second, logarithmic")
    axes.set_title(
        f"Photos a second by photo size, model {model}, one photo at a time, without HTTP", loc="left"
    )
    return "Photos a second of this service and of dlib by photo size."


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
    low, high = ([figure.median + sign * figure.noise for _, figure in line] for sign in (-1, 1))
    axes.fill_between(positions, low, high, color=colour(side), alpha=0.15, linewidth=0)


def _logarithmic(axes: Axes, figures: Sequence[Figure]) -> None:
    """Logarithmic y axis for these figures with their spreads.

    Its bottom depends on the medians only: the lower end of a wide spread may be 0 or less, which the axis cannot show.
    The bar or band then leaves the plot at the bottom, without an end.
    """
    medians = [figure.median for figure in figures]
    highest = max(figure.median + figure.noise for figure in figures)
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(min(medians) / ROOM, max(max(medians) * ROOM, highest * 1.1))


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
