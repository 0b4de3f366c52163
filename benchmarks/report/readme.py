"""Tables and picture of measured figures for the documentation, generated from a result; tables stand between marks."""

from collections.abc import Iterable, Iterator, Mapping

from matplotlib.axes import Axes

from benchmarks.harness import facts, wording
from benchmarks.harness.results import Figure, Key, Result
from benchmarks.report import drawing, speed_plots

BEGIN = "<!-- made by `python -m benchmarks table`, {}: from here -->"
END = "<!-- to here -->"

WITH_DLIB, WITH_UPSTREAM = "library against dlib", "service against upstream"
OPPONENTS = {
    WITH_DLIB: ("the library", "dlib, in one process"),
    WITH_UPSTREAM: ("the service", "upstream's two processes of dlib"),
    "service against remote": ("the service", "another service"),
}
"""Names of both sides of a comparison."""
LEGEND = "Medians ± where 95 % of further rounds are expected."
PICTURE_LEGEND = "Medians; bars and ±: where 95 % of further rounds are expected."

COMPARED = (
    ("", "photos"),
    ("", "faces"),
    ("", "faces differing"),
    ("landmarks", "faces differing"),
    ("", "confidence difference"),
    ("descriptors", "largest difference"),
    ("", "across 0.99"),
    ("", "compute difference"),
)
"""Stage and metric of each column of the parity table."""


class NoMarks(ValueError):
    """A file has no marks around a table. One line."""


class NoFigures(ValueError):
    """A result lacks the figures of the picture. One line."""


def tables(result: Result) -> dict[str, str]:
    """Markdown tables by name, `summary`, `speed` and `parity`, as far as the result has their figures."""
    made = {"summary": _summary(result), "speed": _speed(result), "parity": _parity(result)}
    return {name: f"{_basis(result)}\n\n{table}" for name, table in made.items() if table}


def marked(text: str, names: Iterable[str], mark: str = BEGIN) -> list[str]:
    """Names of the tables that a text has marks for."""
    return [name for name in names if mark.format(name) in text]


def replaced(text: str, made: Mapping[str, str], mark: str = BEGIN) -> str:
    """Replace the tables that have marks in the text. Raises NoMarks if none has."""
    names = marked(text, made, mark)
    for name in names:
        begin = mark.format(name)
        before, _, rest = text.partition(begin)
        _, end, after = rest.partition(END)
        if not end:
            raise NoMarks(f"no end mark after {begin}: add {END}")
        text = f"{before}{begin}\n{made[name]}\n{END}{after}"
    if not names:
        marks = " or ".join(mark.format(name) for name in made)
        raise NoMarks(f"there is no mark for a table: add {marks}, and {END}")
    return text


def picture(result: Result) -> str:
    """SVG document: photos a second of this service's library and of dlib by photo size. Raises NoFigures."""

    def paint(axes: Axes) -> str | None:
        caption = speed_plots.by_size(axes, result, wording.DEFAULT_MODEL)
        axes.set_xlabel(f"photo size\n\n{PICTURE_LEGEND}\n{_basis(result)}")
        return caption

    made = drawing.document("speed", paint)
    if made is None:
        raise NoFigures(
            f"the result has no comparison with dlib by photo size for model {wording.DEFAULT_MODEL}"
        )
    return made


def _basis(result: Result) -> str:
    machine, versions = result.facts.get("machine", {}), result.facts.get("versions", {})
    blas = {"none": " without BLAS", "yes": " with a BLAS"}.get(str(versions.get(facts.DLIB_BLAS)), "")
    return (
        f"{machine.get(facts.PROCESSOR, 'unknown processor')}, {machine.get(facts.CORES, '?')} cores; "
        f"onnxruntime {versions.get('onnxruntime', '?')}, dlib {versions.get('dlib', '?')}{blas}; {result.made[:10]}."
    )


def _summary(result: Result) -> str:
    """Default model by photo size, one photo at a time, and the service over HTTP against upstream."""
    ratios = [
        figure
        for figure in result.find(section="throughput", metric="times as fast", model=wording.DEFAULT_MODEL)
        if figure.key.side in (WITH_DLIB, WITH_UPSTREAM)
    ]
    rows = [
        f"| {_size(figure.key)} | {_rates(result, figure)} | {_ratio(figure)} |"
        for figure in ratios
        if figure.key.side == WITH_DLIB
    ]
    if not rows:
        return ""
    over_http = [figure for figure in ratios if figure.key.side == WITH_UPSTREAM][-1:]
    rows += [
        f"| {_size(figure.key)}, {_callers(figure.key)}, over HTTP; dlib in two processes "
        f"| {_rates(result, figure)} | {_ratio(figure)} |"
        for figure in over_http
    ]
    lines = [
        "| Photo | this service, photos a second | dlib, photos a second | times as fast |",
        "|---|---|---|---|",
    ]
    about = f"Model {wording.DEFAULT_MODEL}, the default; one photo at a time unless stated. {LEGEND}"
    return "\n".join([*lines, *rows, "", about])


def _speed(result: Result) -> str:
    lines = [
        "| | photos a second | against | photos a second | times as fast | memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    rows = list(_comparisons(result))
    return "\n".join([*lines, *rows, "", LEGEND]) if rows else ""


def _parity(result: Result) -> str:
    lines = [
        "| Model | Photos | Faces | Faces, boxes or order differ | Landmarks differ | Confidence differs by "
        "| Descriptor differs by | Across 0.99 | `/compute` differs by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    models = sorted(
        {figure.key.model or 0 for figure in result.find(section="parity", metric="photos", stage="")}
    )
    for model in models:
        values = (
            next(result.find(section="parity", model=model, stage=stage, metric=metric)).median
            for stage, metric in COMPARED
        )
        lines.append(
            f"| {model} | {' | '.join(f'{value:.2g}' if 0 < value < 1 else f'{value:.0f}' for value in values)} |"
        )
    return "\n".join(lines) if models else ""


def _comparisons(result: Result) -> Iterator[str]:
    for figure in result.find(section="throughput", metric="times as fast"):
        ours, theirs = figure.key.side.split(" against ")
        names = OPPONENTS[figure.key.side]
        rates = [_figure(result, figure.key, side, "photos per second") for side in (ours, theirs)]
        memory = [_figure(result, figure.key, side, "peak memory") for side in (ours, theirs)]
        case = f"model {figure.key.model}, {_size(figure.key)}, {_callers(figure.key)}: {names[0]}"
        cells = [
            case,
            _number(rates[0]),
            names[1],
            _number(rates[1]),
            _ratio(figure),
        ]
        cells.append(" / ".join(f"{one.median:,.0f}" for one in memory if one is not None))
        yield f"| {' | '.join(cells)} |"


def _figure(result: Result, key: Key, side: str, metric: str) -> Figure | None:
    return result.at(key.model_copy(update={"side": side, "metric": metric}))


def _rates(result: Result, ratio: Figure) -> str:
    """Cells with the photos per second of both sides."""
    sides = ratio.key.side.split(" against ")
    return " | ".join(_number(_figure(result, ratio.key, side, "photos per second")) for side in sides)


def _number(figure: Figure | None) -> str:
    return wording.spread(figure) if figure is not None else ""


def _ratio(figure: Figure) -> str:
    return f"**{wording.spread(figure)}**"


def _size(key: Key) -> str:
    return f"{key.megapixels:g} MP"


def _callers(key: Key) -> str:
    return "one caller" if key.callers == 1 else f"{key.callers} callers"
