"""Machine code on the disk: used by the next start, and only for the same sources, CPU and versions."""

import ctypes
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
import pytest

import service
from service.recognition.compute import code_folders, machine_code
from service.recognition.compute.code_folders import folders
from tests.paths import ROOT

LOOP = """
from service.recognition.compute.compiled import compiled
from package.below.neighbour import STEP

@compiled()
def counted(start):
    return start + STEP
"""

CAPABILITY_VERSION = 0x20080522
CAP_DAC_OVERRIDE = 1
"""From linux/capability.h: root's right to write regardless of a file's permissions."""


@pytest.fixture(autouse=True)
def no_other_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cache of this account or of the operator."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with one loop that contains a constant of a module in another folder."""
    package = tmp_path / "package"
    (package / "below").mkdir(parents=True)
    (package / "below" / "neighbour.py").write_text("STEP = 1\n")
    (package / "loop.py").write_text(LOOP)
    monkeypatch.setattr(code_folders, "RECOGNITION_FOLDER", package)
    monkeypatch.syspath_prepend(tmp_path)
    # Python compares a source's time and size to judge bytecode, and the tests change neither.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return package / "loop.py"


def start(loop: Path) -> Any:
    """The loop, loaded as by a new process."""
    machine_code.sources.cache_clear()
    machine_code._warn.cache_clear()
    machine_code._log_compilation.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "package"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    parts = loop.relative_to(code_folders.RECOGNITION_FOLDER.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts)).counted


def compiles(loop: Path) -> bool:
    """True if a start compiles the loop, once it has run."""
    counted = start(loop)
    counted(1)
    assert sum(counted.stats.cache_hits.values()) + sum(counted.stats.cache_misses.values()) == 1
    return bool(counted.stats.cache_misses)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.code"))


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Denies writing to a folder and those below, for root too."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    before, without = ((ctypes.c_uint32 * 6)() for _ in range(2))
    libc = ctypes.CDLL(None, use_errno=True)
    for capabilities in (before, without):
        assert libc.capget(header, capabilities) == 0
    without[0] &= ~(1 << CAP_DAC_OVERRIDE)  # the first of its words: in effect now
    assert libc.capset(header, without) == 0

    def forbid(folder: Path) -> None:
        for found in (folder, *folder.rglob("*")):
            if found.is_dir():
                found.chmod(0o555)
        with pytest.raises(PermissionError):
            (folder / "new").touch()

    yield forbid
    assert libc.capset(header, before) == 0


def test_the_second_start_compiles_nothing(loop: Path) -> None:
    assert compiles(loop)
    assert not compiles(loop)
    assert start(loop)(41) == 42


def test_the_first_start_alone_logs_that_it_compiles(loop: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            counted = start(loop)
            assert (counted(1), counted(1.5)) == (2, 2.5)
    assert [record.getMessage() for record in caplog.records] == [
        "compiling loops for this processor: up to 20 seconds"
    ]


def test_each_kind_of_argument_has_its_own_code(loop: Path) -> None:
    assert start(loop)(1) == 2
    assert start(loop)(1.5) == 2.5
    assert len(kept(loop.parent)) == 2
    assert not compiles(loop)


def test_code_is_read_without_a_writable_folder(
    loop: Path, tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    assert compiles(loop)
    read_only(tmp_path)
    assert not compiles(loop)


@pytest.mark.parametrize("changed", ["loop.py", "below/neighbour.py"])
def test_code_of_other_sources_is_not_loaded(loop: Path, changed: str) -> None:
    assert compiles(loop)
    source = loop.parent / changed
    stamp = source.stat()
    source.write_text(
        source.read_text().replace("start + STEP", "start - STEP").replace("STEP = 1", "STEP = 5")
    )
    # As a checkout or an archive may leave it: other bytes, the same time.
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert start(loop)(10) == (9 if changed == "loop.py" else 15)
    assert len(kept(loop.parent)) == 1
    assert not compiles(loop)


def test_loops_of_one_name_in_two_folders_have_separate_code(loop: Path) -> None:
    source = loop.read_text().replace("start + STEP", "start - STEP")
    other = loop.parent / "below" / loop.name
    other.write_text(source)
    assert compiles(loop)
    assert compiles(other)
    assert (start(loop)(10), start(other)(10)) == (11, 9)
    assert len(kept(loop.parent / "__pycache__")) == 2


def test_the_package_holds_every_compiled_loop() -> None:
    sources = Path(service.__file__).parent.rglob("*.py")
    loops = [source for source in sources if "\n@compiled(" in source.read_text(encoding="utf-8")]
    assert loops
    assert all(source.is_relative_to(code_folders.RECOGNITION_FOLDER) for source in loops)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (numba.config, "CPU_NAME", "haswell"),
        (numba, "__version__", "0.0"),
        (llvmlite, "__version__", "0.0"),
        (np, "__version__", "0.0"),
        (sys.implementation, "cache_tag", "cpython-399"),
    ],
)
def test_code_of_another_machine_or_version_is_not_loaded(
    loop: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, value: str
) -> None:
    assert compiles(loop)
    with monkeypatch.context() as other:
        other.setattr(owner, name, value)
        assert compiles(loop)
        assert not compiles(loop)
    assert not compiles(loop)


def test_code_for_processor_features_that_are_missing_is_not_loaded(
    loop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiles(loop)
    codegen = type(start(loop).targetctx.codegen())
    triple, processor, features = start(loop).targetctx.codegen().magic_tuple()
    monkeypatch.setattr(codegen, "magic_tuple", lambda _: (triple, processor, features + ",-avx512f"))
    assert compiles(loop)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:20],
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "cut", "short", "one bit", "zeros"],
)
def test_a_damaged_file_is_compiled_again(loop: Path, damage: Callable[[bytes], bytes]) -> None:
    assert compiles(loop)
    (file,) = kept(loop.parent)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert compiles(loop)
    assert not compiles(loop)


def test_a_damaged_file_that_cannot_be_replaced_is_kept_elsewhere(
    loop: Path, tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    assert compiles(loop)
    kept(loop.parent)[0].write_bytes(b"damaged")
    read_only(loop.parent)
    assert compiles(loop)
    assert kept(tmp_path / "cache")
    assert not compiles(loop)


def test_the_operators_folder_is_preferred(
    loop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert compiles(loop)
    assert kept(tmp_path) == kept(tmp_path / "chosen")
    assert not compiles(loop)


def test_without_a_writable_folder_one_warning_is_logged(
    loop: Path, tmp_path: Path, read_only: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    read_only(tmp_path)
    counted = start(loop)
    with caplog.at_level(logging.WARNING):
        assert (counted(1), counted(1.5)) == (2, 2.5)
    (record,) = caplog.records
    assert "NUMBA_CACHE_DIR" in record.getMessage()
    assert compiles(loop)


def test_an_account_without_a_home_has_no_cache_folder(
    loop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    monkeypatch.chdir(tmp_path)
    assert all(folder.is_absolute() for folder in folders())
    assert compiles(loop)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_code_of_another_account_is_not_loaded(loop: Path) -> None:
    assert compiles(loop)
    os.chown(kept(loop.parent)[0], 12345, -1)
    assert compiles(loop)


@pytest.mark.not_quick
def test_processes_that_start_at_the_same_time_leave_complete_files(loop: Path) -> None:
    together = [_process(loop) for _ in range(4)]
    assert {_answer(process)[0] for process in together} == {42}
    assert not list(loop.parent.glob("__pycache__/.*"))
    for _ in range(2):
        assert _answer(_process(loop)) == (42, 0)
    loop.write_text(loop.read_text() + "\n")
    assert _answer(_process(loop)) == (42, 1)


def _process(loop: Path) -> "subprocess.Popen[bytes]":
    """A process that runs the loop and prints its result and the number of compilations."""
    code = f"""
from pathlib import Path
from service.recognition.compute import code_folders
code_folders.RECOGNITION_FOLDER = Path({str(loop.parent)!r})
from package.loop import counted
print(counted(41), len(counted.stats.cache_misses))
"""
    paths = os.pathsep.join([str(loop.parents[1]), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
    )


def _answer(process: "subprocess.Popen[bytes]") -> tuple[int, int]:
    result, compilations = process.communicate()[0].split()
    return int(result), int(compilations)
