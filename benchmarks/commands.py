"""Commands on results: compare two, plot the history of many, render the report, tables or picture of one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import regression
from benchmarks.harness.results import EXIT, NOTHING_DONE, NoResult, Result, load
from benchmarks.harness.text_table import text_table
from benchmarks.report import readme
from benchmarks.report.history import page as history_page
from benchmarks.report.page import page
from model_store.atomic import atomic_file


def compare(arguments: Sequence[str]) -> int:
    """Compare two results by gates.toml: is the second safe to switch to? Exit status: 0 yes, 1 no, 3 not judged."""
    parser = _parser("compare", compare)
    parser.add_argument("before", type=Path, metavar="A", help="a result.json")
    parser.add_argument("after", type=Path, metavar="B", help="a later result.json")
    options = parser.parse_args(arguments)
    try:
        before, after = load(options.before), load(options.after)
    except NoResult as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    lines = [("", options.before.name, options.after.name, "ratio", "change")]
    print(text_table([*lines, *(row.cells for row in regression.rows(before, after))]))
    for group in sorted(before.facts.keys() | after.facts.keys()):
        old, new = before.facts.get(group, {}), after.facts.get(group, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                print(f"{group}: {name}: {old.get(name, 'unknown')} before, {new.get(name, 'unknown')} after")
    verdicts = regression.verdicts(before, after)
    print()
    print(text_table([(verdict.status, verdict.gate, verdict.says) for verdict in verdicts]))
    return EXIT[regression.status(verdicts)]


def history(arguments: Sequence[str]) -> int:
    """Render all results below a folder as one page with trends over time."""
    parser = _parser("history", history)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder with result.json files of any name"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("history.html"), metavar="FILE", help="default: history.html"
    )
    options = parser.parse_args(arguments)
    results: list[Result] = []
    for path in sorted(options.folder.rglob("*.json")):
        try:
            results.append(load(path))
        except NoResult as error:
            print(error, file=sys.stderr)
    if not results:
        print(f"there are no results in {options.folder}", file=sys.stderr)
        return NOTHING_DONE
    results.sort(key=lambda result: result.made)
    _write(options.out, history_page(results))
    print(f"{len(results)} results in {options.out}")
    return 0


def report(arguments: Sequence[str]) -> int:
    """Render the report of a result again, without photo names and crops: a result has neither."""
    parser = _parser("report", report)
    parser.add_argument("result", type=Path, metavar="RESULT", help="a result.json")
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html"
    )
    options = parser.parse_args(arguments)
    try:
        _write(options.out, page(load(options.result)))
    except NoResult as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    return 0


def table(arguments: Sequence[str]) -> int:
    """Print the Markdown tables of a result: summary, speed and parity. Or write them into a file, between their marks.

    A file may have the marks of some of the tables.
    """
    parser = _parser("table", table)
    parser.add_argument("result", type=Path, metavar="RESULT", help="a result.json")
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help=f"a Markdown file with marks, for example `{readme.BEGIN.format('speed')}` and `{readme.END}`",
    )
    options = parser.parse_args(arguments)
    try:
        made = readme.tables(load(options.result))
        if options.into is None:
            print("\n\n".join(made.values()))
        else:
            _write(options.into, readme.replaced(options.into.read_text(encoding="utf-8"), made))
    except (NoResult, readme.NoMarks) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    return 0


def picture(arguments: Sequence[str]) -> int:
    """Draw a result as an SVG file: photos a second of this service and of dlib by photo size."""
    parser = _parser("picture", picture)
    parser.add_argument(
        "result", type=Path, metavar="RESULT", help="a result.json with a full run's throughput"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("speed.svg"), metavar="FILE", help="default: speed.svg"
    )
    options = parser.parse_args(arguments)
    try:
        _write(options.out, readme.picture(load(options.result)))
    except (NoResult, readme.NoFigures) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    return 0


def _parser(name: str, command: object) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=command.__doc__)


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode())
