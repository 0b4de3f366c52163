from __future__ import annotations

import signal
from pathlib import Path

import pytest

from service.messages import DEVICE_FAULT, ENGINE_FAILED
from service.supervision import deaths
from service.supervision.deaths import BROKEN_ENGINE, FAULTY_DEVICE, STUCK, Death, death, oom_kills


@pytest.fixture
def vmstat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "vmstat"
    monkeypatch.setattr(deaths, "VMSTAT", path)
    path.write_text("nr_free_pages 1\noom_kill 5\noom_kill_disable 9\n")
    return path


def test_signals_of_faults_are_named_and_blamed(vmstat: Path) -> None:
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        assert death(-number, 5) == Death(number.name)
    assert death(-(signal.SIGRTMIN + 1), 5) == Death(f"signal {signal.SIGRTMIN + 1}")
    assert not STUCK.unrelated


def test_signals_of_other_processes_blame_no_photo(vmstat: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        assert death(-number, 5) == Death(number.name, unrelated=True)


def test_the_oom_killer_is_detected_by_its_counter(vmstat: Path) -> None:
    assert death(-signal.SIGKILL, 4) == Death("out of memory", out_of_memory=True)
    assert death(-signal.SIGTERM, 4) == Death("SIGTERM", unrelated=True)
    assert death(-signal.SIGSEGV, 4) == Death("SIGSEGV")


@pytest.mark.parametrize("hidden", ["before", "now", "line"])
def test_a_hidden_counter_counts_as_out_of_memory(vmstat: Path, hidden: str) -> None:
    if hidden == "now":
        vmstat.unlink()
    if hidden == "line":
        vmstat.write_text("nr_free_pages 1\n")
    assert death(-signal.SIGKILL, None if hidden == "before" else 5).out_of_memory


def test_statuses() -> None:
    assert death(1, 5) == Death("exit status 1")
    assert death(ENGINE_FAILED, 5) == BROKEN_ENGINE
    assert death(DEVICE_FAULT, 5) == FAULTY_DEVICE
    assert BROKEN_ENGINE.unrelated
    assert FAULTY_DEVICE.unrelated
    # A worker ends with 0 where its connection ends, and no photo does that.
    assert death(0, 5) == Death("exit status 0", unrelated=True)


def test_the_counter_of_this_kernel() -> None:
    kills = oom_kills()
    assert kills is None or kills >= 0
    assert (kills is not None) == ("\noom_kill " in Path("/proc/vmstat").read_text())
