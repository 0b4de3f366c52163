"""The arrows between packages, which `lint-imports` checks by the contracts of pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
"""Of the environment that runs the tests."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the packages and of their contracts."""
    for package in ("benchmarks", "conversion", "service", "model_store"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.npz")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _checked(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_the_packages_keep_the_arrows(checkout: Path) -> None:
    checked = _checked(checkout)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("importing", "imported"),
    [
        ("model_store/models.py", "service.settings"),
        pytest.param(
            "service/recognition/geometry.py", "service.recognition.compute.cores", marks=pytest.mark.slow
        ),
        pytest.param(
            "service/recognition/hog/detector.py", "service.recognition.cnn.strips", marks=pytest.mark.slow
        ),
        pytest.param("service/worker/serving.py", "service.web.app", marks=pytest.mark.slow),
        pytest.param("service/web/request_pipeline.py", "cv2", marks=pytest.mark.slow),
        pytest.param("service/commands/check/command.py", "service.commands.serve", marks=pytest.mark.slow),
        pytest.param(
            "conversion/graphs/builder.py", "conversion.validation.validate", marks=pytest.mark.slow
        ),
        pytest.param("benchmarks/harness/results.py", "benchmarks.report.page", marks=pytest.mark.slow),
    ],
)
def test_an_upward_import_is_an_error(checkout: Path, importing: str, imported: str) -> None:
    file = checkout / importing
    file.write_text(f"{file.read_text()}\nimport {imported}\n")
    checked = _checked(checkout)
    assert checked.returncode != 0
    assert importing.removesuffix(".py").replace("/", ".") in checked.stdout


def test_a_package_outside_of_the_layers_is_an_error(checkout: Path) -> None:
    (checkout / "service" / "elsewhere.py").write_text("")
    assert _checked(checkout).returncode != 0
