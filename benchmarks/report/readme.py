"""The README's tables of measured figures, generated from a result and placed between two marks."""

from collections.abc import Iterator, Mapping

from benchmarks.harness.results import Figure, Key, Result

BEGIN = "<!-- made by `python -m benchmarks table`, {}: from here -->"
END = "<!-- to here -->"

OPPONENTS = {
    "library against dlib": ("the library", "dlib, in one process"),
    "service against upstream": ("the service", "upstream's two processes of dlib"),
    "service against remote": ("the service", "another service"),
}
"""Names of both sides of a comparison in the README."""


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
    """A file lacks the marks around a table. One line."""


def tables(result: Result) -> dict[str, str]:
    """Markdown tables by name, `speed` and `parity`, as far as the result has their figures."""
    made = {"speed": _speed(result), "parity": _parity(result)}
    return {name: f"{_basis(result)}\n\n{table}" for name, table in made.items() if table}


def replaced(text: str, made: Mapping[str, str]) -> str:
    """Replace the tables between their marks. Raises NoMarks."""
    for name, table in made.items():
        begin = BEGIN.format(name)
        before, found, rest = text.partition(begin)
        _, end, after = rest.partition(END)
        if not found or not end:
            raise NoMarks(f"missing marks: {begin} ... {END}")
        text = f"{before}{begin}\n{table}\n{END}{after}"
    return text


def _basis(result: Result) -> str:
    machine, versions = result.facts.get("machine", {}), result.facts.get("versions", {})
    blas = {"none": " without BLAS", "yes": " with a BLAS"}.get(str(versions.get("dlib's BLAS")), "")
    return (
        f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores; "
        f"onnxruntime {versions.get('onnxruntime', '?')}, dlib {versions.get('dlib', '?')}{blas}; {result.made[:10]}."
    )


def _speed(result: Result) -> str:
    lines = [
        "| | photos a second | against | photos a second | times as fast | memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    rows = list(_comparisons(result))
    legend = "\n\nMedians ± where 95 % of further rounds are expected."
    return "\n".join([*lines, *rows]) + legend if rows else ""


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
        case = f"model {figure.key.model}, {figure.key.megapixels:g} MP, {_callers(figure.key)}: {names[0]}"
        cells = [
            case,
            _number(rates[0]),
            names[1],
            _number(rates[1]),
            f"**{figure.median:.1f}×** ± {figure.noise:.1f}",
        ]
        cells.append(" / ".join(f"{one.median:,.0f}" for one in memory if one is not None))
        yield f"| {' | '.join(cells)} |"


def _figure(result: Result, key: Key, side: str, metric: str) -> Figure | None:
    return result.at(key.model_copy(update={"side": side, "metric": metric}))


def _number(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.median:.3g} ± {figure.noise:.2g}"


def _callers(key: Key) -> str:
    return "one caller" if key.callers == 1 else f"{key.callers} callers"
