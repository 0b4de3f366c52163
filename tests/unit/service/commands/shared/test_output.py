"""Output of commands, on a terminal and in a pipe."""

import json
from pathlib import Path

import pytest

from service.commands.shared import output
from tests.command_line import ESCAPE, command, on_terminal


def test_a_piped_table_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["Name", "Value"], [("a", "x" * 3000), ("b", "two\nlines [red]")])
    assert capsys.readouterr().out == f"Name\tValue\na\t{'x' * 3000}\nb\ttwo\\nlines [red]\n"


def test_a_piped_table_without_titles_has_no_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["", ""], [("a", "b")])
    assert capsys.readouterr().out == "a\tb\n"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"é": "\udce9"})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"é": "\udce9"}


@pytest.mark.not_quick
def test_a_terminal_gets_a_table_with_colours(tmp_path: Path) -> None:
    status, printed, _ = on_terminal(tmp_path, "settings", API_KEY="secret", FACE_MODEL="3")
    assert status == 0
    assert ESCAPE in printed
    assert "FACE_MODEL" in printed
    assert "| Variable" not in printed
    assert "secret" not in printed


@pytest.mark.not_quick
def test_a_pipe_gets_no_codes(tmp_path: Path) -> None:
    done = command(tmp_path, "models", "list", FACE_STORE=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.startswith("State\tWeight\tFor\t")
    assert ESCAPE not in done.stdout + done.stderr
