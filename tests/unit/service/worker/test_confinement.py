"""Folders that a worker can write within its sandbox."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
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


Devices = Callable[[Path], None]


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Devices:
    """`only(confinement.NVIDIA)`: a machine with these device files alone, and an environment without variables."""

    def plant(device: Path) -> None:
        caches = confinement.KERNEL_CACHES
        planted = [(tmp_path if cache[0] == device else tmp_path / "none", cache[1]) for cache in caches]
        monkeypatch.setattr(confinement, "KERNEL_CACHES", planted)
        monkeypatch.setattr(os, "environ", {"HOME": "/home/face-model"})

    return plant


def test_an_account_without_a_home_has_no_cache_of_kernels(
    only: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(number: int) -> NoReturn:
        raise KeyError(number)

    only(confinement.NVIDIA)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert confinement.kernel_caches() == []


def test_the_drivers_caches_of_kernels_can_be_written(only: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    only(confinement.NVIDIA)
    assert confinement.kernel_caches() == [
        Path("/home/face-model") / name for name in (".nv", ".cache/nvidia")
    ]
    monkeypatch.setenv("CUDA_CACHE_PATH", "/var/cache/kernels")
    assert Path("/var/cache/kernels") in confinement.kernel_caches()


def test_the_caches_of_shaders_of_a_card_can_be_written(
    only: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(confinement.CARDS)
    names = ["mesa_shader_cache", "mesa_shader_cache_db", "neo_compiler_cache"]
    assert confinement.kernel_caches() == [Path("/home/face-model/.cache", name) for name in names]
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert confinement.kernel_caches() == [Path("/home/face-model/.cache", name) for name in names]
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    monkeypatch.setenv("MESA_SHADER_CACHE_DIR", "/var/mesa")
    folders = [Path("/var/mesa", name) for name in names[:2]]
    assert confinement.kernel_caches() == [*folders, Path("/var/cache/neo_compiler_cache")]


def test_a_machine_without_devices_has_no_cache_of_kernels(only: Devices) -> None:
    only(Path("/dev/nothing"))
    assert confinement.kernel_caches() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_folder_that_is_closed_to_the_account(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    os.seteuid(NOBODY)
    try:
        assert not confinement._may_write(home / ".cache" / "code")
    finally:
        os.seteuid(0)
