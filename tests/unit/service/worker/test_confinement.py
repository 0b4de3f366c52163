"""Folders that a worker can write within its sandbox."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

import service
from service.worker import confinement

NOBODY = 65534
BYTECODE = "PYTHONDONTWRITEBYTECODE"
CONFINED_IMPORT = """
from service.worker import confinement
confinement.confine()
import service.pipeline.queue
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the service without bytecode."""
    source = Path(service.__file__).parent
    shutil.copytree(source, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def confined(folder: Path, environment: dict[str, str]) -> None:
    """Import a package in a sandboxed process, which is the first to load it from this folder."""
    clean = {name: value for name, value in os.environ.items() if name != BYTECODE}
    subprocess.run([sys.executable, "-c", CONFINED_IMPORT], cwd=folder, env=clean | environment, check=True)


def test_the_first_worker_of_a_checkout_keeps_bytecode_of_packages_that_it_alone_loads(copy: Path) -> None:
    confined(copy, {})

    assert list(copy.glob("service/pipeline/__pycache__/queue.*.pyc"))


def test_no_folder_of_bytecode_is_made_where_python_writes_none(copy: Path) -> None:
    confined(copy, {BYTECODE: "1"})

    assert not (copy / "service" / "pipeline" / "__pycache__").exists()


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-in for the device file of NVIDIA's driver."""
    monkeypatch.setattr(confinement, "CONTROL_DEVICE", tmp_path)


@pytest.mark.usefixtures("nvidia")
def test_an_account_without_a_home_has_no_cache_of_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.delenv("CUDA_CACHE_PATH", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert confinement.kernel_caches() == []


@pytest.mark.usefixtures("nvidia")
def test_nvidias_cache_of_kernels_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_CACHE_PATH", raising=False)
    monkeypatch.setenv("HOME", "/home/face-model")
    assert confinement.kernel_caches() == [Path("/home/face-model/.nv")]
    monkeypatch.setenv("CUDA_CACHE_PATH", "/var/cache/kernels")
    assert confinement.kernel_caches() == [Path("/var/cache/kernels")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_folder_that_is_closed_to_the_account(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    os.seteuid(NOBODY)
    try:
        assert not confinement._may_write(home / ".cache" / "code")
    finally:
        os.seteuid(0)
