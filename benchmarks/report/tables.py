"""Which tables a page has: figures turned into rows and columns by parts of their keys."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.harness.results import METRICS, Figure, Key, Result
from benchmarks.report import wording
from benchmarks.report.drawing import SIDES

LONG = 16
"""Rows beyond which a table is folded."""


@dataclass(frozen=True)
class Row:
    """A row: what it is about, whose it is, and its cells, empty where nothing was measured."""

    label: str
    side: str
    cells: tuple[str, ...]

    @property
    def colour(self) -> str:
        """The name of the side's colour; empty where the row is not of one side."""
        return SIDES.get(self.side, "")

    @property
    def about(self) -> str:
        return ", ".join(part for part in (self.label, wording.side(self.side)) if part)


@dataclass(frozen=True)
class Table:
    """A table as the template takes it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def long(self) -> bool:
        """Whether the page keeps it folded."""
        return len(self.rows) > LONG

    @property
    def wide(self) -> bool:
        """Whether it wants the page's whole width."""
        return self.long or len(self.head) > 4 or max(len(row.about) for row in self.rows) > 36


@dataclass(frozen=True)
class Kind:
    """A table to be filled.

    Args:
        question: the chapter it stands in, as of a verdict.
        title: its caption.
        takes: which figures.
        row: a figure's row, and whose it is.
        column: the head of its column.
    """

    question: str
    title: str
    takes: Callable[[Key], bool]
    row: Callable[[Key], tuple[str, str]]
    column: Callable[[Key], str]


def _what(key: Key) -> str:
    return f"{wording.stage(key.stage)}: {key.metric}" if key.stage else key.metric


def _model(key: Key) -> str:
    return f"model {key.model}" if key.model is not None else "all"


def _ratio(key: Key) -> bool:
    return " against " in key.side


KINDS = (
    Kind(
        "same",
        "Every answer against the baseline's",
        lambda key: key.section == "parity" and key.model is not None,
        lambda key: (_what(key), key.side),
        _model,
    ),
    Kind(
        "same",
        "Every stage against dlib's, on the same input",
        lambda key: key.section == "parity" and key.model is None,
        lambda key: (wording.stage(key.stage), key.side),
        lambda key: key.metric,
    ),
    Kind(
        "same",
        "Model 4 against upstream's rule for what HOG confirms",
        lambda key: key.section == "upstream's rule",
        lambda key: (_what(key), key.side),
        _model,
    ),
    Kind(
        "accurate",
        "Faces of known people",
        lambda key: key.section == "accuracy",
        lambda key: (_what(key), key.side),
        _model,
    ),
    Kind(
        "faster",
        "How many times",
        lambda key: key.section == "throughput" and _ratio(key),
        lambda key: (wording.case(key), key.side),
        lambda key: key.metric,
    ),
    Kind(
        "faster",
        "Throughput",
        lambda key: key.section == "throughput" and not _ratio(key),
        lambda key: (wording.case(key), key.side),
        lambda key: key.metric,
    ),
    Kind(
        "faster",
        "Seconds of each stage",
        lambda key: key.section == "stages" and key.metric == "seconds",
        lambda key: (wording.title(key.model_copy(update={"side": ""})), ""),
        lambda key: key.side,
    ),
)


def filled(result: Result, question: str) -> Iterator[Table]:
    """The tables of a chapter that have something in them."""
    for kind in KINDS:
        figures = [
            figure for figure in result.figures if kind.question == question and kind.takes(figure.key)
        ]
        if figures:
            yield _turned(kind, figures)


def _place(figure: Figure) -> tuple[float, ...]:
    """Metrics in the order of `METRICS`, and cases ascending."""
    key = figure.key
    return (
        list(METRICS).index(key.metric),
        key.model or 0,
        key.megapixels or 0,
        key.callers or 0,
        key.faces or 0,
    )


def _turned(kind: Kind, figures: Iterable[Figure]) -> Table:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    head: dict[str, None] = {}
    for figure in sorted(figures, key=_place):
        column = kind.column(figure.key)
        head[column] = None
        cells.setdefault(kind.row(figure.key), {})[column] = wording.spread(figure)
    rows = (
        Row(label, side, tuple(row.get(column, "") for column in head))
        for (label, side), row in cells.items()
    )
    return Table(kind.title, tuple(head), tuple(rows))
