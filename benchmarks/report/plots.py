"""Plots of a report, by chapter."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from benchmarks.harness import wording
from benchmarks.harness.results import Result
from benchmarks.report import drawing, quality_plots, speed_plots
from benchmarks.report.roofline import roofline


@dataclass(frozen=True)
class Plot:
    """Plot of one model: `wording.DEFAULT_MODEL` if measured, else the first model.

    Args:
        question: of its chapter, as of a verdict.
        title: of the plot.
        source: section or series of its data.
        draw: draws it for a model and returns the caption; None without data.
    """

    question: str
    title: str
    source: str
    draw: Callable[[Axes, Result, int | None], str | None]


PLOTS = (
    Plot(
        "same", "Difference of confidences near the app's threshold", "confidences", quality_plots.confidences
    ),
    Plot("accurate", "Distances between descriptors", "distances", quality_plots.distances),
    Plot("faster", "Throughput by number of callers", "callers", speed_plots.rate),
    Plot("faster", "Latency by number of callers", "callers", speed_plots.latency),
    Plot("faster", "Time per photo by size", "area", speed_plots.area),
    Plot("faster", "Roofline of the networks", "roofline", roofline),
)
"""All plots, in the order of the page."""


@dataclass(frozen=True)
class RenderedPlot:
    """Plot for the template; `name` is unique in the page."""

    name: str
    title: str
    caption: str
    svg: Markup
    model: int | None = None


def rendered(result: Result, question: str) -> list[RenderedPlot]:
    """Plots of a chapter that have data."""
    return [
        made for plot in PLOTS if plot.question == question and (made := _rendered(plot, result)) is not None
    ]


def _rendered(plot: Plot, result: Result) -> RenderedPlot | None:
    model = _model(result, plot.source)
    name = plot.title.lower().replace("'", "").replace(" ", "-")
    made = drawing.svg(name, lambda axes: plot.draw(axes, result, model))
    return made and RenderedPlot(name, plot.title, caption=made[1], svg=made[0], model=model)


def _model(result: Result, source: str) -> int | None:
    """Model to plot: the default one if present, else the first; None for data without a model."""
    models = {figure.key.model for figure in result.find(section=source)}
    models |= {series.model for series in result.series if series.name == source}
    known = sorted(model for model in models if model is not None)
    return wording.DEFAULT_MODEL if wording.DEFAULT_MODEL in known else next(iter(known), None)
