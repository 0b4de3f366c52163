"""The page of one result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.harness.results import METRICS, Figure, Result
from benchmarks.parity.cases import Case
from benchmarks.report import cases as worst
from benchmarks.report import drawing, plots, tables, verdict, wording

HEADLINES = 4
"""Ratios that are shown large; all of them stand in a table."""

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # names of files and of machines stand in the pages
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(light=drawing.LIGHT, dark=drawing.DARK)


@dataclass(frozen=True)
class Chapter:
    """Everything about one question; `absent` names the plots that this run has no data for."""

    answer: verdict.Answer
    plots: list[plots.Drawn]
    tables: list[tables.Table]
    absent: list[str]


def page(result: Result, cases: Sequence[Case] = ()) -> str:
    """One HTML page that needs nothing besides itself: no script, no font, no picture from elsewhere.

    Args:
        result: finished or not.
        cases: where answers differ most, the worst first. The photos' names are shown, and photos where a case
            carries an image: such a page shows faces of people to everybody who gets it.

    Raises:
        ValueError: the result's `made` is no ISO 8601 time.
    """
    return TEMPLATES.get_template("report.html.jinja").render(
        result=result,
        made=wording.moment(result.made),
        banner=verdict.banner(result),
        headlines=_headlines(result),
        chapters=[_chapter(result, answer) for answer in verdict.answers(result)],
        cases=worst.shown(cases),
        command=result.facts.get("run", {}).get("command"),
    )


def _headlines(result: Result) -> list[tuple[str, str, str]]:
    """Ratios as numbers, words and what they are about: upstream, the default model and the largest photos first."""

    def rank(figure: Figure) -> tuple[bool, bool, float]:
        key = figure.key
        return "upstream" not in key.side, key.model != wording.DEFAULT_MODEL, -(key.megapixels or 0)

    ratios = [one for one in result.find(section="throughput") if METRICS[one.key.metric].unit == "×"]
    return [
        (
            wording.quantity(one.median, one.key.metric),
            one.key.metric.removeprefix("times "),
            wording.title(one.key),
        )
        for one in sorted(ratios, key=rank)[:HEADLINES]
    ]


def _chapter(result: Result, answer: verdict.Answer) -> Chapter:
    drawn = plots.drawn(result, answer.name)
    there = {one.title for one in drawn}
    absent = [one.title for one in plots.PLOTS if one.question == answer.name and one.title not in there]
    return Chapter(answer, drawn, list(tables.filled(result, answer.name)), absent)
