"""The commands `convert` and `bench`: arguments, exit status and missing packages."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.commands import main, programs
from tests.command_line import command


@pytest.mark.not_quick
@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (["convert", "--help"], 0, "usage: python -m conversion"),
        (["convert", "--model", "9"], 2, "invalid choice: 9"),
        (["bench", "--help"], 0, "commands on results"),
        (["bench", "compare", "a.json"], 2, "usage: "),
    ],
)
def test_the_program_gets_the_arguments_and_gives_the_status(
    tmp_path: Path, arguments: list[str], status: int, part: str
) -> None:
    done = command(tmp_path, *arguments)
    assert done.returncode == status
    assert part in done.stdout + done.stderr


@pytest.mark.not_quick
def test_convert_finds_nothing_to_do_in_a_converted_store(store: Path, tmp_path: Path) -> None:
    done = command(tmp_path, "convert", "--model", "3", FACE_STORE=str(store.resolve()))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("converted files up to date in ")


@pytest.mark.parametrize(("name", "missing"), [("convert", "onnx"), ("bench", "benchmarks")])
def test_a_missing_package_is_named(
    name: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        programs, "find_spec", lambda module: None if module == missing else find_spec(module)
    )
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("it runs"))
    assert main.main([name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The package {missing} is not installed here: run `make {name}` in the checkout")
