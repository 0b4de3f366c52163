"""Command lines for messages."""

import sys
from pathlib import Path

import pytest

from model_store.command import LAUNCHER, command


def test_a_module_runs_in_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(LAUNCHER, raising=False)
    assert (
        command("service occ", {"PORT": "80 80"})
        == f"cd {tmp_path} && PORT='80 80' {sys.executable} -m service occ"
    )


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("service occ", "occ"),
        ("model_store fetch NAME", "models fetch NAME"),
        ("conversion NAME", "convert NAME"),
    ],
)
def test_the_launcher_has_a_command_for_each_module(
    line: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHER, "/a folder/face-model")
    assert command(line, {"PORT": "8080"}) == f"PORT=8080 '/a folder/face-model' {printed}"
