"""Validation of the fuzzer: each kind of planted fault is a finding."""

import platform
from pathlib import Path

import pytest

from tests.fuzz.campaign import execute, fuzz
from tests.fuzz.planted import RARE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "input"
    path.write_bytes(b"any")
    return path


@pytest.mark.parametrize(
    ("fault", "report"),
    [
        ("address-0", "Segmentation fault"),
        ("endless", "_endless"),
        ("memory", "MemoryError"),
        ("undocumented", "KeyError: b'any'"),
    ],
)
def test_a_planted_fault_is_a_finding(fault: str, report: str, file: Path) -> None:
    status, written = execute(fault, [file])
    assert status != 0
    assert report in written


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap checks are glibc's")
@pytest.mark.parametrize("fault", ["overrun", "double-free"])
def test_a_planted_heap_fault_is_a_finding(fault: str, file: Path) -> None:
    status, written = execute(fault, [file])
    assert status != 0
    assert "free(): invalid pointer" in written
    assert "planted.py" in written


def test_a_documented_error_is_no_finding(file: Path) -> None:
    assert execute("documented", [file])[0] == 0


def test_writes_inputs_of_findings_that_reproduce_them(tmp_path: Path) -> None:
    outcome = fuzz("rare", 4, seed=1, artefacts=tmp_path)
    assert outcome.executions > 100
    (finding,) = outcome.findings.values()
    assert outcome.times[finding.kind] > 1
    assert finding.kind.startswith("KeyError")
    assert " at tests/fuzz/planted.py:" in finding.kind
    assert RARE in finding.path.read_bytes()
    assert execute("rare", [finding.path])[0] != 0
