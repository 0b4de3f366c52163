"""Tables of a report: figures arranged in rows and columns by parts of their keys."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.harness import wording
from benchmarks.harness.results import METRICS, Figure, Key, Result
from benchmarks.report.drawing import SIDE_COLOURS

LONG = 16
"""Number of rows beyond which a table is collapsed."""
NARROW_COLUMNS, NARROW_LABEL, NARROW_CELL = 4, 36, 24
"""Columns, and characters of a label and of a cell, that fit into half of the page's width."""


@dataclass(frozen=True)
class TableRow:
    """Row: label, side, and cells, which are empty without a figure."""

    label: str
    side: str
    cells: tuple[str, ...]

    @property
    def colour(self) -> str:
        """Name of the side's colour; empty for a row without a single side."""
        return SIDE_COLOURS.get(self.side, "")

    @property
    def about(self) -> str:
        return ", ".join(part for part in (self.label, wording.side(self.side)) if part)


@dataclass(frozen=True)
class Table:
    """Table for the template."""

    title: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def long(self) -> bool:
        """True if the page shows it collapsed."""
        return len(self.rows) > LONG

    @property
    def wide(self) -> bool:
        """True if it needs the full width of the page."""
        label = max(len(row.about) for row in self.rows)
        cell = max((len(cell) for row in self.rows for cell in row.cells), default=0)
        return self.long or len(self.head) > NARROW_COLUMNS or label > NARROW_LABEL or cell > NARROW_CELL


@dataclass(frozen=True)
class TableSpec:
    """Definition of a table.

    Args:
        question: of its chapter, as of a verdict.
        title: of the table.
        takes: selects figures.
        row: label and side of a figure's row.
        column: heading of a figure's column.
    """

    question: str
    title: str
    takes: Callable[[Key], bool]
    row: Callable[[Key], tuple[str, str]]
    column: Callable[[Key], str]


def _stage_metric(key: Key) -> str:
    name = wording.metric(key.metric)
    return f"{wording.stage(key.stage)}: {name}" if key.stage else name


def _model(key: Key) -> str:
    return f"model {key.model}" if key.model is not None else "all"


def _ratio(key: Key) -> bool:
    return " against " in key.side


TABLES = (
    TableSpec(
        "same",
        "Answers compared with the baseline",
        lambda key: key.section == "parity" and key.model is not None,
        lambda key: (_stage_metric(key), key.side),
        _model,
    ),
    TableSpec(
        "same",
        "Stages compared with dlib on the same input",
        lambda key: key.section == "parity" and key.model is None,
        lambda key: (wording.stage(key.stage), key.side),
        lambda key: wording.metric(key.metric),
    ),
    TableSpec(
        "accurate",
        "Recognition of people",
        lambda key: key.section == "accuracy",
        lambda key: (_stage_metric(key), key.side),
        _model,
    ),
    TableSpec(
        "faster",
        "Improvement factors",
        lambda key: key.section == "throughput" and _ratio(key),
        lambda key: (wording.scenario(key), key.side),
        lambda key: wording.metric(key.metric),
    ),
    TableSpec(
        "faster",
        "Throughput",
        lambda key: key.section == "throughput" and not _ratio(key),
        lambda key: (wording.scenario(key), key.side),
        lambda key: wording.metric(key.metric),
    ),
    TableSpec(
        "faster",
        "Time per photo by number of faces",
        lambda key: key.section == "faces",
        lambda key: (wording.scenario(key), key.side),
        lambda key: wording.metric(key.metric),
    ),
    TableSpec(
        "faster",
        "Time per stage",
        lambda key: key.section == "stages" and key.metric == "seconds",
        lambda key: (wording.title(key.model_copy(update={"side": ""})), ""),
        lambda key: key.side,
    ),
)


def filled(result: Result, question: str) -> Iterator[Table]:
    """Tables of a chapter that have figures."""
    for spec in TABLES:
        figures = [
            figure for figure in result.figures if spec.question == question and spec.takes(figure.key)
        ]
        if figures:
            yield _arranged(spec, figures)


def _order(figure: Figure) -> tuple[float, ...]:
    """Sort key: metric in the order of `METRICS`, then the scenario."""
    key = figure.key
    return (
        list(METRICS).index(key.metric),
        key.model or 0,
        key.megapixels or 0,
        key.callers or 0,
        key.faces or 0,
    )


def _arranged(spec: TableSpec, figures: Iterable[Figure]) -> Table:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    head: dict[str, None] = {}
    for figure in sorted(figures, key=_order):
        column = spec.column(figure.key)
        head[column] = None
        cells.setdefault(spec.row(figure.key), {})[column] = wording.spread(figure)
    rows = (
        TableRow(label, side, tuple(row.get(column, "") for column in head))
        for (label, side), row in cells.items()
    )
    return Table(spec.title, tuple(head), tuple(rows))
