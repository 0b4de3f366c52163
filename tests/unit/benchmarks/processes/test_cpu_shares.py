"""benchmarks/processes/cpu_shares.py: quotas of control groups, and whole cores."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import cpu_shares
from benchmarks.processes.cpu_shares import Quota, WholeCore, parent_of_groups, shares
from benchmarks.processes.process_tree import cpu_seconds

LOOP = (sys.executable, "-S", "-c", "while True: pass")
CORES = (sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))")
SERVICES_CORES = (
    sys.executable,
    "-c",
    "from service.recognition.compute.core_count import usable_processors; print(usable_processors())",
)


def test_a_quota_of_either_version_is_written_in_microseconds(tmp_path: Path) -> None:
    first, second = Quota(tmp_path / "1"), Quota(tmp_path / "2")
    (tmp_path / "2" / "cpu.max").touch()
    first.set(0.4)
    second.set(1)
    assert (tmp_path / "1" / "cpu.cfs_quota_us").read_text() == "40000"
    assert (tmp_path / "1" / "cpu.cfs_period_us").read_text() == "100000"
    assert (tmp_path / "2" / "cpu.max").read_text() == "100000 100000"


def test_groups_need_the_cpu_controller(tmp_path: Path) -> None:
    assert parent_of_groups(tmp_path / "absent") is None
    assert parent_of_groups(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_affinity_gives_whole_cores() -> None:
    core = WholeCore(min(os.sched_getaffinity(0)))
    core.set(1)
    assert subprocess.check_output(core.command(CORES)) == b"1\n"
    with pytest.raises(ValueError, match="whole cores"):
        core.set(0.4)


def test_there_are_as_many_whole_cores_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_shares, "parent_of_groups", lambda: None)
    with shares(1000) as given:
        assert len(given) == len(os.sched_getaffinity(0))


@pytest.mark.not_quick
@pytest.mark.skipif(parent_of_groups() is None, reason="/sys/fs/cgroup is not writable")
def test_a_process_in_a_group_has_its_quota_alone() -> None:
    with shares(1) as (share,):
        share.set(0.2)
        assert subprocess.check_output(share.command(SERVICES_CORES)) == b"1\n"
        with subprocess.Popen(share.command(LOOP)) as process:
            time.sleep(1)
            used = cpu_seconds(process.pid)
            process.kill()
    assert used < 0.4
