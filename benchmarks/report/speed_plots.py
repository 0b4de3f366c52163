"""Plots about time: what many callers, larger photos, more faces and every stage cost, ours beside the others."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.report import wording
from benchmarks.report.drawing import SIDES, Label, colour, from_zero, label_ends
from benchmarks.results import Figure, Result

Line = list[tuple[float, Figure]]
"""A side's figures by what they are drawn against, ascending."""


def latency(axes: Axes, result: Result, model: int | None) -> str | None:
    """How long a caller waits, half of the time and one time in a hundred."""
    half = _lines(result, "callers", "median latency", "callers", model)
    worst = _lines(result, "callers", "99 % latency", "callers", model)
    if not half:
        return None
    axes.set_yscale("log")
    labels = []
    for lines, words, style in ((half, "half", "-"), (worst, "99 %", (0, (1.5, 1.5)))):
        for side, line in lines.items():
            _draw(axes, line, side, linestyle=style, linewidth=2.2 if style == "-" else 1.6)
            labels.append(Label(line[-1][0], line[-1][1].median, f"{side}, {words}", colour(side)))
    _callers(axes, half)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.quantity(value, "median latency")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("a photo's answer after")
    label_ends(axes, labels)
    return _at_the_end(half, lambda at: f"Half of the answers to {at:g} callers came within:")


def rate(axes: Axes, result: Result, model: int | None) -> str | None:
    """Photos a second by how many callers there are."""
    lines = _lines(result, "callers", "photos per second", "callers", model)
    if not lines:
        return None
    _all(axes, lines)
    _callers(axes, lines)
    axes.set_ylabel("photos a second")
    return _at_the_end(lines, lambda at: f"Photos a second with {at:g} callers:")


def area(axes: Axes, result: Result, model: int | None) -> str | None:
    """Seconds for a photo by its megapixels."""
    lines = _lines(result, "area", "seconds", "megapixels", model)
    return _costs(axes, lines, "megapixels", lambda at: f"A photo of {at:g} MP:")


def faces(axes: Axes, result: Result, model: int | None) -> str | None:
    """Seconds for a photo by the number of its faces."""
    lines = _lines(result, "faces", "seconds", "faces", model)
    return _costs(axes, lines, "faces in the photo", lambda at: f"A photo of {at:g} faces:")


def stages(axes: Axes, result: Result, model: int | None) -> str | None:
    """A pair of bars for each stage, ours and dlib's."""
    found = _stages(result, model)
    if not found:
        return None
    names = list(dict.fromkeys(figure.key.stage for figure in found))
    longest = max(figure.median for figure in found)
    for figure in found:
        side = figure.key.side
        place = names.index(figure.key.stage) + (0.19 if SIDES.get(side) == "ours" else 0.57)
        axes.barh(place, figure.median, height=0.34, color=colour(side))
        words = f"{side} {wording.quantity(figure.median, 'seconds')}"
        axes.text(figure.median + 0.012 * longest, place, words, va="center", color=colour(side))
    axes.set_yticks([row + 0.38 for row in range(len(names))], [wording.stage(name) for name in names])
    axes.set_ylim(len(names) - 0.1, -0.1)
    axes.set_xlim(0, 1.3 * longest)
    axes.xaxis.set_major_locator(NullLocator())
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    size = found[0].key.megapixels
    where = "" if size is None else f" of {size:g} MP"
    most = max(found, key=lambda figure: figure.median).key
    return f"What each stage takes for a photo{where}: most, {wording.stage(most.stage)} of {most.side}."


def stages_height(result: Result, model: int | None) -> float:
    """The height of `stages`, which has as many rows as there are stages."""
    return 30 + 42.0 * len({figure.key.stage for figure in _stages(result, model)})


def _stages(result: Result, model: int | None) -> list[Figure]:
    """Seconds of the stages on the largest photos that the most sides worked on."""
    sizes: dict[float | None, list[Figure]] = {}
    for figure in result.find(section="stages", metric="seconds", model=model):
        sizes.setdefault(figure.key.megapixels, []).append(figure)

    def rank(size: float | None) -> tuple[int, float]:
        return len({figure.key.side for figure in sizes[size]}), size or 0

    return sizes[max(sizes, key=rank)] if sizes else []


def _costs(axes: Axes, lines: dict[str, Line], label: str, begin: Callable[[float], str]) -> str | None:
    if not lines:
        return None
    _all(axes, lines)
    furthest = max(line[-1][0] for line in lines.values())
    axes.set_xlim(-0.02 * furthest, 1.02 * furthest)
    axes.set_xlabel(label)
    axes.set_ylabel("seconds a photo")
    return _at_the_end(lines, begin)


def _lines(result: Result, section: str, metric: str, against: str, model: int | None) -> dict[str, Line]:
    """A line for each side that has figures of this metric, in the order of `SIDES`."""
    lines: dict[str, Line] = {side: [] for side in SIDES}
    for figure in result.find(section=section, metric=metric, model=model):
        at = getattr(figure.key, against)
        if at is not None:
            lines.setdefault(figure.key.side, []).append((float(at), figure))
    return {side: sorted(line, key=lambda point: point[0]) for side, line in lines.items() if line}


def _all(axes: Axes, lines: dict[str, Line]) -> None:
    for side, line in lines.items():
        _draw(axes, line, side)
    from_zero(axes)
    label_ends(
        axes, [Label(line[-1][0], line[-1][1].median, side, colour(side)) for side, line in lines.items()]
    )


def _draw(axes: Axes, line: Line, side: str, **style: object) -> None:
    places = [at for at, _ in line]
    values = [figure.median for _, figure in line]
    axes.plot(places, values, color=colour(side), marker="o", markersize=4.5, **style)  # type: ignore[arg-type]
    low = [max(figure.median - figure.noise, min(figure.values)) for _, figure in line]
    high = [min(figure.median + figure.noise, max(figure.values)) for _, figure in line]
    axes.fill_between(places, low, high, color=colour(side), alpha=0.15, linewidth=0)


def _callers(axes: Axes, lines: dict[str, Line]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted({at for line in lines.values() for at, _ in line})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("callers at once")
    axes.grid(visible=True, axis="y")


def _at_the_end(lines: dict[str, Line], begin: Callable[[float], str]) -> str:
    """What each side has at the last place that all of them have."""
    shared = set.intersection(*({at for at, _ in line} for line in lines.values()))
    if not shared:
        return "The sides have no place in common."
    at = max(shared)
    said: Sequence[str] = [
        f"{side} {wording.quantity(dict(line)[at].median, line[0][1].key.metric)}"
        for side, line in lines.items()
    ]
    return f"{begin(at)} {', '.join(said)}."
