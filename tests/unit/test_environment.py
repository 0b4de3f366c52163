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


@pytest.mark.not_quick
def test_once_made_it_is_left_alone_until_a_lock_changes(script: Path) -> None:
    assert "making the environment" in _run(script, "one")
    assert _run(script, "one") == ""
    (script.parent / "one.txt").write_text("# something else\n")
    assert _run(script, "one") == "installing one\n"


@pytest.mark.slow
def test_a_further_lock_is_installed_beside_the_first(script: Path) -> None:
    _run(script, "one")
    assert _run(script, "two") == "installing one, two\n"
    assert _run(script, "one", "two") == ""


@pytest.mark.slow
def test_one_accelerators_wheels_never_lie_over_anothers(script: Path) -> None:
    for name in ("cpu", "cuda"):
        (script.parent / f"{name}.txt").write_text("# nothing\n")
    _run(script, "cpu", "one")
    assert "making the environment" in _run(script, "cuda")
    assert _run(script, "one") == "installing cuda, one\n"
    assert _run(script, "cuda") == ""


@pytest.mark.slow
def test_bare_leaves_what_the_locks_name_and_nothing_else(script: Path) -> None:
    shutil.copy(ROOT / "requirements" / "bare.py", script.parent)
    _run(script, "one")
    packages = next((script.parent / "venv").glob("lib/python*/site-packages"))
    assert (packages / "pip").exists()
    for name in ("Wanted_Package", "unwanted"):
        metadata = packages / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "RECORD").write_text(f"{name}-1.0.dist-info/METADATA,,\n{name}-1.0.dist-info/RECORD,,\n")
    (script.parent / "two.txt").write_text("wanted-package==1.0 \\\n    --hash=sha256:00\n")
    assert "unwanted" in _run(script.with_name("bare.py"), "one", "two")
    assert [path.name for path in packages.glob("*.dist-info")] == ["Wanted_Package-1.0.dist-info"]
    assert not (packages / "pip").exists()
    (script.parent / "two.txt").write_text("# nothing\n")
    assert "making the environment" in _run(script, "one"), "an environment without pip is made anew"


@pytest.mark.slow
def test_what_was_interrupted_is_begun_again(script: Path) -> None:
    _run(script, "one")
    (script.parent / "venv" / "installed.json").unlink()
    (script.parent / "venv" / "bin" / "pip").write_text("cut off")
    assert "making the environment" in _run(script, "one")
    pip = script.parent / "venv" / "bin" / "pip"
    subprocess.run([pip, "--version"], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_at_once_make_it_once(script: Path) -> None:
    command = [sys.executable, str(script), str(script.parent / "venv"), "one"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    printed = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("making the environment" in text for text in printed) == [False, True]
