"""Which plots a page has, and where."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from benchmarks.harness.results import Result
from benchmarks.report import drawing, quality_plots, speed_plots, wording
from benchmarks.report.roofline import roofline


@dataclass(frozen=True)
class Plot:
    """A plot of one model: of `wording.DEFAULT_MODEL` if its data has that one.

    Args:
        question: the chapter it stands in, as of a verdict.
        title: what it shows.
        source: the section or the series that its data comes from.
        draw: draws it for a model, and says in a sentence what is to be seen; None: its data is not there.
    """

    question: str
    title: str
    source: str
    draw: Callable[[Axes, Result, int | None], str | None]


PLOTS = (
    Plot("same", "Confidences beside the app's threshold", "confidences", quality_plots.confidences),
    Plot("accurate", "Distances of descriptors", "distances", quality_plots.distances),
    Plot("faster", "Photos a second against callers", "callers", speed_plots.rate),
    Plot("faster", "Latency against callers", "callers", speed_plots.latency),
    Plot("faster", "Seconds against area", "area", speed_plots.area),
    Plot("faster", "Roofline of the networks", "roofline", roofline),
)
"""Each answers a question before an upgrade: is it safe, is it faster, how near is it to the machine's limit."""


@dataclass(frozen=True)
class Drawn:
    """A plot as the template takes it; `name` is unique in the page."""

    name: str
    title: str
    says: str
    svg: Markup
    model: int | None = None


def drawn(result: Result, question: str) -> list[Drawn]:
    """The plots of a chapter whose data is there."""
    return [
        made for plot in PLOTS if plot.question == question and (made := _drawn(plot, result)) is not None
    ]


def _drawn(plot: Plot, result: Result) -> Drawn | None:
    model = _model(result, plot.source)
    name = plot.title.lower().replace("'", "").replace(" ", "-")
    made = drawing.svg(name, lambda axes: plot.draw(axes, result, model))
    return made and Drawn(name, plot.title, says=made[1], svg=made[0], model=model)


def _model(result: Result, source: str) -> int | None:
    """The model to be drawn of a source: the default one, or the first; None where its data is of no model."""
    models = {figure.key.model for figure in result.find(section=source)}
    models |= {series.model for series in result.series if series.name == source}
    known = sorted(model for model in models if model is not None)
    return wording.DEFAULT_MODEL if wording.DEFAULT_MODEL in known else next(iter(known), None)
