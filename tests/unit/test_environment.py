"""The script that makes the virtual environment, as the Makefile runs it; on locks without packages, to be quick."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def script(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "requirements" / "environment.py", tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("# nothing\n")
    return tmp_path / "environment.py"


def _run(script: Path, *locks: str) -> str:
    command = [sys.executable, str(script), str(script.parent / "venv"), *locks]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_once_made_it_is_left_alone_until_a_lock_changes(script: Path) -> None:
    assert "making the environment" in _run(script, "one")
    assert _run(script, "one") == ""
    (script.parent / "one.txt").write_text("# something else\n")
    assert _run(script, "one") == "installing one\n"


def test_a_further_lock_is_installed_beside_the_first(script: Path) -> None:
    _run(script, "one")
    assert _run(script, "two") == "installing one, two\n"
    assert _run(script, "one", "two") == ""


def test_what_was_interrupted_is_begun_again(script: Path) -> None:
    _run(script, "one")
    (script.parent / "venv" / "installed.json").unlink()
    (script.parent / "venv" / "bin" / "pip").write_text("cut off")
    assert "making the environment" in _run(script, "one")
    pip = script.parent / "venv" / "bin" / "pip"
    subprocess.run([pip, "--version"], check=True, stdout=subprocess.DEVNULL)


def test_two_at_once_make_it_once(script: Path) -> None:
    command = [sys.executable, str(script), str(script.parent / "venv"), "one"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    printed = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("making the environment" in text for text in printed) == [False, True]
