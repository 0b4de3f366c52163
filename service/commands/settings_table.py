"""The command `settings`: all settings, with their defaults and present values."""

import os

import click

from service import settings
from service.commands.shared import loading, output
from service.commands.shared.group import examples

HIDDEN = "(hidden)"
"""Shown in place of a secret."""


@click.command(
    "settings",
    epilog=examples(["face-model settings", "face-model settings --json | jq '.[] | select(.value)'"]),
)
@click.option("--markdown", is_flag=True, help="Print the table of the documentation; the default of a pipe.")
@output.as_json
def command(markdown: bool, as_json: bool) -> int:
    """Show all settings, and check those that are set.

    All settings are environment variables; an empty one means the default. A misspelt FACE_ variable is reported on
    standard error, and an impossible value ends the command with status 1.
    """
    loading.settings_with_warnings()
    if as_json:
        output.print_json(_rows())
    elif markdown or not output.is_terminal():
        print("\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *settings.markdown_rows()]))
    else:
        output.print_table(
            ["Variable", "Value", "Meaning"],
            [(row["variable"], row["value"] or row["default"], row["meaning"]) for row in _rows()],
        )
    return 0


def _rows() -> list[dict[str, str]]:
    """Variable, default, present value (empty: the default) and meaning of each setting."""
    return [
        {"variable": name, "default": default, "value": _value(name), "meaning": meaning}
        for name, (default, meaning) in settings.variables().items()
    ]


def _value(name: str) -> str:
    value = os.environ.get(name, "")
    return HIDDEN if value and name in settings.SECRETS else value
