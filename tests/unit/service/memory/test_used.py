"""Memory of this process and its descendants."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.memory import used as module
from service.memory.used import used

HOLD = "held = bytearray(b'x') * 100_000_000; print(flush=True); input()"


def test_counts_this_process_and_its_children() -> None:
    before = used()
    assert before > 10e6
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = used()
        child.communicate(b"\n")
    assert 90e6 < during - before < 200e6
    assert used() - before < 50e6


def test_without_the_right_to_read_pss_counts_what_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "statm").write_text("900 500 200 1 0 10 0\n")
    monkeypatch.setattr(module, "PROCESSES", tmp_path)
    monkeypatch.setattr("os.getpid", lambda: 7)
    assert used() == 300 * module.PAGE
    monkeypatch.setattr("os.getpid", lambda: 8)
    assert used() == 0
