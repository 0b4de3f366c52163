"""Tables and programs of the documentation equal the code."""

import re
from collections.abc import Iterator

import click
import pytest

from benchmarks.harness.options import EXIT_STATUSES
from service import settings
from service.commands import main
from service.web import app
from service.web.openapi import info
from service.web.openapi.fields import schemas
from tests import documentation
from tests.documentation import DOCS


@pytest.mark.parametrize("row", settings.markdown_rows(), ids=list(settings.variables()))
def test_each_setting_is_documented(row: str) -> None:
    assert row in documentation.text_of(DOCS / "guide" / "configuration.md").splitlines(), (
        "paste what `python -m service settings` prints into docs/guide/configuration.md"
    )


def test_each_endpoint_is_documented() -> None:
    table = documentation.rows(documentation.text_of(DOCS / "reference" / "http-api.md"), "HTTP API")
    assert sorted(cells[0].strip("`").split()[1] for cells in table) == sorted(app.PATHS)


def test_each_field_of_info_is_documented() -> None:
    _, _, section = documentation.text_of(DOCS / "reference" / "http-api.md").partition("## `/info`\n")
    named = {
        name
        for code in documentation.inline_code(section.partition("\n## ")[0])
        for name in re.split(r"[./ ]+", code)
    }
    fields = {
        field
        for name, schema in schemas(info.Info).items()
        if name != "Versions"
        for field in schema["properties"]
    }
    assert fields <= named


def test_exit_statuses_of_the_benchmarks_are_documented() -> None:
    table = documentation.rows(
        documentation.text_of(DOCS / "guide" / "benchmarking.md"), "Benchmark before an upgrade"
    )
    assert {int(cells[0]) for cells in table} == EXIT_STATUSES.keys()


COMMAND_LINE = documentation.text_of(DOCS / "reference" / "command-line.md")


def _commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command of a group, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield path + name, command


def test_each_command_is_documented() -> None:
    table = documentation.rows(COMMAND_LINE, "Commands")
    assert sorted(cells[0].strip("`") for cells in table) == sorted(
        name for name, _ in _commands(main.group())
    )


def test_each_option_is_documented() -> None:
    table = documentation.rows(COMMAND_LINE, "Options")
    documented = {
        (command, option.split()[0])
        for cells in table
        for command in documentation.inline_code(cells[0])
        for option in documentation.inline_code(cells[1])
    }
    in_code = {
        (name, parameter.opts[0])
        for name, command in _commands(main.group())
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    assert documented == in_code


def test_exit_statuses_of_the_commands_are_documented() -> None:
    table = documentation.rows(COMMAND_LINE, "Exit statuses")
    assert {int(cells[0]) for cells in table if cells[0].isdigit()} == main.EXIT_STATUSES.keys()
