"""The lazy group: lists, help, completion and mistakes, without an import of the commands."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from service.commands import main
from service.commands.shared.group import Entry, LazyGroup
from service.versions import own_version

COMMANDS = {name: entry for section in main.SECTIONS.values() for name, entry in section.items()}


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main.group(), arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_has_the_first_line_of_each_command(name: str) -> None:
    group = main.group()
    found = group.get_command(click.Context(group), name)
    assert found is not None
    assert found.help is not None
    assert found.name == name
    assert COMMANDS[name].help == found.help.partition("\n")[0]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"convert", "bench"}))
def test_each_help_has_examples(name: str) -> None:
    done = _run(name, "--help")
    assert done.exit_code == 0
    assert f"face-model {name}" in done.output.partition("Examples:")[2]


def test_the_help_lists_all_commands_in_sections_and_imports_none() -> None:
    program = (
        "import sys; from service.__main__ import main; status = main(['--help']); "
        "print(*sorted(name for name in sys.modules if name.startswith('service.commands'))); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *lines, modules = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line[:2] == "  " and line.split()[0] in COMMANDS] == [
        *COMMANDS
    ]
    assert all(f"{title}:" in lines for title in main.SECTIONS)
    assert modules.split() == [
        "service.commands",
        "service.commands.main",
        "service.commands.shared",
        "service.commands.shared.group",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("chek", " Did you mean 'check'?"), ("analyze", " Did you mean 'analyse'?"), ("xyz", "")],
)
def test_an_unknown_command_names_the_closest(name: str, meant: str) -> None:
    done = _run(name)
    assert done.exit_code == 2
    assert done.stderr.endswith(f"Error: No such command '{name}'.{meant}\n")


def test_an_unknown_option_is_no_command() -> None:
    done = _run("--versio")
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert "'--version'" in done.stderr


def test_without_a_command_the_help_is_an_error() -> None:
    done = _run()
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_version() -> None:
    assert _run("--version").stdout == f"{own_version()}\n"


def test_an_entry_names_module_and_attribute() -> None:
    group = LazyGroup({"": {"bench": Entry("service.commands.programs", "", "bench")}}, "", "")
    assert group.get_command(click.Context(group), "bench") is not None
    assert group.get_command(click.Context(group), "convert") is None
