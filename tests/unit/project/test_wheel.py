"""The wheel that pip builds from the checkout: package data, and the markers of typed packages."""

import configparser
import importlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.paths import ROOT

PACKAGES = ("benchmarks", "conversion", "model_store", "service")
NOT_PACKAGED = {Path("benchmarks/history"), Path("benchmarks/gpu_check/seen")}
"""Results of earlier runs, and of checks of devices: part of the checkout alone."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel. It is built offline from a copy, since setuptools writes into its source folder."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def packaged(wheel: Path) -> frozenset[str]:
    """File names in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


@pytest.mark.not_quick
def test_the_wheel_contains_all_files_of_the_packages(packaged: frozenset[str]) -> None:
    files = {
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected = {str(path) for path in files if NOT_PACKAGED.isdisjoint(path.parents)}
    assert {name for name in packaged if ".dist-info/" not in name} == expected


@pytest.mark.not_quick
@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_marked_as_typed(packaged: frozenset[str], package: str) -> None:
    assert f"{package}/py.typed" in packaged


@pytest.mark.not_quick
def test_the_wheel_contains_the_licence(packaged: frozenset[str]) -> None:
    assert [name for name in packaged if name.endswith("/licenses/LICENSE")]


@pytest.mark.not_quick
def test_the_wheel_has_the_command_face_model(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        points = configparser.ConfigParser()
        points.read_string(archive.read(name).decode())
    module, _, function = points["console_scripts"]["face-model"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
