"""The README's table of measured figures: made of a result, put between two marks, so that nobody types a figure."""

from collections.abc import Iterator

from benchmarks.results import Figure, Key, Result

BEGIN = "<!-- made by `python -m benchmarks table`: from here -->"
END = "<!-- to here -->"

OPPONENTS = {
    "library against dlib": ("the library", "dlib, in one process"),
    "service against upstream": ("the service", "upstream's way: two processes of dlib"),
    "service against remote": ("the service", "another service"),
}
"""Both sides of a comparison, as the README calls them."""


class NoMarks(ValueError):
    """A file lacks the marks between which the table stands. One line."""


def table(result: Result) -> str:
    """Markdown: what it was measured on, and a line for each comparison."""
    machine, versions = result.facts.get("machine", {}), result.facts.get("versions", {})
    blas = {"none": " without BLAS", "yes": " with a BLAS"}.get(str(versions.get("dlib's BLAS")), "")
    lines = [
        f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores; "
        f"onnxruntime {versions.get('onnxruntime', '?')}, dlib {versions.get('dlib', '?')}{blas}; "
        f"medians ± where 95 % of further rounds are expected; {result.made[:10]}.",
        "",
        "| | photos a second | against | photos a second | times as fast | memory |",
        "|---|---|---|---|---|---|",
        *_comparisons(result),
    ]
    return "\n".join(lines)


def replaced(text: str, made: str) -> str:
    """The text with the table between its marks. Raises NoMarks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarks(f"there is no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def _comparisons(result: Result) -> Iterator[str]:
    for figure in result.find(section="throughput", metric="times as fast"):
        ours, theirs = figure.key.side.split(" against ")
        names = OPPONENTS[figure.key.side]
        rates = [_beside(result, figure.key, side, "photos per second") for side in (ours, theirs)]
        memory = [_beside(result, figure.key, side, "peak memory") for side in (ours, theirs)]
        case = f"model {figure.key.model}, {figure.key.megapixels:g} MP, {_callers(figure.key)}: {names[0]}"
        cells = [
            case,
            _number(rates[0]),
            names[1],
            _number(rates[1]),
            f"**{figure.median:.1f}×** ± {figure.noise:.1f}",
        ]
        cells.append(
            " / ".join(f"{one.median:,.0f}" for one in memory if one is not None)
            + (" MiB" if any(memory) else "")
        )
        yield f"| {' | '.join(cells)} |"


def _beside(result: Result, key: Key, side: str, metric: str) -> Figure | None:
    wanted = key.model_copy(update={"side": side, "metric": metric})
    return next((figure for figure in result.figures if figure.key == wanted), None)


def _number(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.median:.3g} ± {figure.noise:.1g}"


def _callers(key: Key) -> str:
    return "one caller" if key.callers == 1 else f"{key.callers} callers"
