"""Which plots a page has, and where."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from benchmarks.report import drawing, quality_plots, speed_plots
from benchmarks.report.roofline import roofline
from benchmarks.results import Result


@dataclass(frozen=True)
class Plot:
    """A kind of plot; a page has one for each model that its data has.

    Args:
        question: the chapter it stands in, as of a verdict.
        title: what it shows.
        source: the section or the series that its data comes from.
        draw: draws it for a model, and says in a sentence what is to be seen; None: its data is not there.
        height: how high it is, where not all are alike.
    """

    question: str
    title: str
    source: str
    draw: Callable[[Axes, Result, int | None], str | None]
    height: Callable[[Result, int | None], float] = lambda result, model: drawing.HEIGHT


PLOTS = (
    Plot("same", "Confidence against confidence", "confidences", quality_plots.confidences),
    Plot("accurate", "How far apart faces lie", "distances", quality_plots.distances),
    Plot("faster", "Photos a second against callers", "callers", speed_plots.rate),
    Plot("faster", "Latency against callers", "callers", speed_plots.latency),
    Plot("faster", "Cost against area", "area", speed_plots.area),
    Plot("faster", "Cost against number of faces", "faces", speed_plots.faces),
    Plot("faster", "Stages side by side", "stages", speed_plots.stages, speed_plots.stages_height),
    Plot("faster", "Roofline of the networks", "roofline", roofline),
)


@dataclass(frozen=True)
class Drawn:
    """A plot as the template takes it; `name` is unique in the page, `kind` is its title for all models."""

    name: str
    kind: str
    title: str
    says: str
    svg: Markup


def drawn(result: Result, question: str) -> list[Drawn]:
    """The plots of a chapter whose data is there."""
    return [
        made
        for plot in PLOTS
        if plot.question == question
        for model in _models(result, plot.source)
        if (made := _drawn(plot, result, model)) is not None
    ]


def _drawn(plot: Plot, result: Result, model: int | None) -> Drawn | None:
    title = plot.title if model is None else f"{plot.title}, model {model}"
    name = title.lower().replace(",", "").replace(" ", "-")
    made = drawing.svg(name, lambda axes: plot.draw(axes, result, model), plot.height(result, model))
    return made and Drawn(name, plot.title, title, says=made[1], svg=made[0])


def _models(result: Result, source: str) -> list[int | None]:
    """The models that have data of a source; None is data that is of no model."""
    models = {figure.key.model for figure in result.find(section=source)}
    models |= {series.model for series in result.series if series.name == source}
    return sorted(models, key=lambda model: -1 if model is None else model)
