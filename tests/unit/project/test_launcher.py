"""The launcher `face-model` of the checkout, from any folder and by a link."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.command_line import LAUNCHER, command
from tests.paths import ROOT

pytestmark = pytest.mark.not_quick


@pytest.fixture
def environment() -> str:
    """VENV for the launcher. Skips if the environment is not in .venv."""
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("the environment is not in .venv")
    return str(ROOT / ".venv")


@pytest.mark.usefixtures("environment")
def test_uses_the_checkouts_store_and_key_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").touch()  # no package of this project
    link = tmp_path / "linked"
    link.symlink_to(LAUNCHER)
    done = command(tmp_path, "settings", "--json", program=[str(link)])
    assert (done.returncode, done.stderr) == (0, "")
    assert f'"value": "{ROOT}/models"' in done.stdout
    assert f'"value": "{ROOT}/api.key"' in done.stdout
    given = command(tmp_path, "settings", "--json", program=[LAUNCHER], FACE_STORE="elsewhere")
    assert '"value": "elsewhere"' in given.stdout
    assert f"{ROOT}/models" not in given.stdout


@pytest.mark.usefixtures("environment")
def test_usage_and_repairs_name_the_launcher(tmp_path: Path) -> None:
    wrong = command(tmp_path, "chek", program=[LAUNCHER])
    assert wrong.stderr.startswith("Usage: face-model ")
    refused = command(tmp_path, "check", program=[LAUNCHER], FACE_STORE=str(tmp_path))
    assert refused.returncode == 1
    repair = refused.stderr.partition(" Run: ")[2].strip()
    assert repair == f"{LAUNCHER} models fetch mmod_human_face_detector"
    explained = subprocess.run(
        [*repair.split(), "--help"],
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert explained.returncode == 0


def test_names_a_missing_environment(tmp_path: Path) -> None:
    done = command(tmp_path, "check", program=[LAUNCHER], VENV=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"There is no {tmp_path}/bin/python: run `make environment` in {ROOT}")
