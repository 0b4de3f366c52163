"""Report page of one result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.harness import wording
from benchmarks.harness.results import METRICS, Figure, Result
from benchmarks.parity.discrepancies import Discrepancy
from benchmarks.report import drawing, overlays, plots, summary, tables, verdict

HEADLINES = 4
"""Number of ratios shown in large type; a table has all of them."""

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # the pages contain names of files and machines
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(light=drawing.LIGHT, dark=drawing.DARK)


@dataclass(frozen=True)
class Chapter:
    """Chapter on one question; `absent` names the plots without data in this run."""

    assessment: verdict.Assessment
    plots: list[plots.RenderedPlot]
    tables: list[tables.Table]
    absent: list[str]


def page(result: Result, discrepancies: Sequence[Discrepancy] = ()) -> str:
    """Render one self-contained HTML page, without scripts and external fonts or images.

    Args:
        result: complete or interrupted.
        discrepancies: the largest first. The names of their photos are shown, and of a discrepancy with an image also
            the photo: that page shows people's faces to all its readers.

    Raises:
        ValueError: the result's `made` is not an ISO 8601 time.
    """
    return TEMPLATES.get_template("report.html.jinja").render(
        result=result,
        made=wording.moment(result.made),
        banner=verdict.banner(result),
        load=summary.load(result),
        warning=summary.warning(result),
        headlines=_headlines(result),
        chapters=[_chapter(result, assessment) for assessment in verdict.assessments(result)],
        discrepancies=overlays.shown(discrepancies),
        command=result.facts.get("run", {}).get("command"),
    )


def _headlines(result: Result) -> list[tuple[str, str, str]]:
    """Main ratios as (value, metric, scenario): upstream, the default model and the largest photos first."""

    def rank(figure: Figure) -> tuple[bool, bool, float]:
        key = figure.key
        return "upstream" not in key.side, key.model != wording.DEFAULT_MODEL, -(key.megapixels or 0)

    ratios = [one for one in result.find(section="throughput") if METRICS[one.key.metric].unit == "×"]
    found = []
    for one in sorted(ratios, key=rank)[:HEADLINES]:
        value, about = wording.spread(one), wording.title(one.key)
        if len(one.values) == 1:  # the words would be in large type
            value, about = wording.quantity(one.median, one.key.metric), f"{about} ({wording.ONE_ROUND})"
        found.append((value, one.key.metric.removeprefix("times "), about))
    return found


def _chapter(result: Result, assessment: verdict.Assessment) -> Chapter:
    rendered = plots.rendered(result, assessment.name)
    present = {plot.title for plot in rendered}
    absent = [
        plot.title for plot in plots.PLOTS if plot.question == assessment.name and plot.title not in present
    ]
    return Chapter(assessment, rendered, list(tables.filled(result, assessment.name)), absent)
