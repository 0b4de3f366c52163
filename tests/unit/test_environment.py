"""requirements/environment.py and bare.py, run as by the Makefile, on locks without packages for speed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


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
def test_unchanged_locks_install_nothing(script: Path) -> None:
    assert "making the environment" in _run(script, "one")
    assert _run(script, "one") == ""
    (script.parent / "one.txt").write_text("# something else\n")
    assert _run(script, "one") == "installing one\n"


@pytest.mark.slow
def test_another_lock_is_added_to_the_environment(script: Path) -> None:
    _run(script, "one")
    assert _run(script, "two") == "installing one, two\n"
    assert _run(script, "one", "two") == ""


@pytest.mark.slow
def test_another_accelerator_rebuilds_the_environment(script: Path) -> None:
    for name in ("cpu", "cuda"):
        (script.parent / f"{name}.txt").write_text("# nothing\n")
    _run(script, "cpu", "one")
    assert "making the environment" in _run(script, "cuda")
    assert _run(script, "one") == "installing cuda, one\n"
    assert _run(script, "cuda") == ""


@pytest.mark.slow
def test_bare_removes_all_packages_outside_of_the_locks(script: Path) -> None:
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
    assert "making the environment" in _run(script, "one"), "an environment without pip is rebuilt"


@pytest.mark.slow
def test_an_interrupted_installation_rebuilds_the_environment(script: Path) -> None:
    _run(script, "one")
    (script.parent / "venv" / "installed.json").unlink()
    (script.parent / "venv" / "bin" / "pip").write_text("cut off")
    assert "making the environment" in _run(script, "one")
    pip = script.parent / "venv" / "bin" / "pip"
    subprocess.run([pip, "--version"], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_processes_at_once_install_once(script: Path) -> None:
    command = [sys.executable, str(script), str(script.parent / "venv"), "one"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    printed = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("making the environment" in text for text in printed) == [False, True]
