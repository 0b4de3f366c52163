"""Output of commands: JSON for scripts; tables, which rich draws on a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from service.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_NAME = 45
"""Characters of a cell without spaces that a terminal shows in one piece, so that it can be copied."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(content: object) -> None:
    """Print a value as indented JSON in ASCII, which every encoding can print."""
    print(json.dumps(content, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: drawn on a terminal, else a line for each row, with tabs between the cells."""
    printed = [[printable(cell, len(cell)) for cell in row] for row in rows]
    if not is_terminal():
        for row in [columns, *printed] if any(columns) else printed:
            print("\t".join(row))
        return
    # Imported here: `serve` does not load rich.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=any(columns), pad_edge=False)
    for column, cells in zip(columns, zip(*printed, strict=True), strict=False):
        name = all(" " not in cell and len(cell) <= LONGEST_NAME for cell in cells)
        table.add_column(column, overflow="fold", no_wrap=name)
    for row in printed:
        table.add_row(*map(Text, row))  # rich takes brackets in a string for markup
    Console().print(table)


def is_terminal() -> bool:
    """True if standard output is a terminal."""
    return sys.stdout.isatty()
