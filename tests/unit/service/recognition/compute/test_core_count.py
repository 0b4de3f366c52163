"""Counts of cores: by affinity, by control groups, and of physical cores."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.recognition.compute import cgroups, core_count


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine whose control groups and processors the test writes; the group's limit is read again."""
    (tmp_path / "membership").write_text("")
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "groups")
    monkeypatch.setattr(core_count, "SYSTEM", tmp_path)
    cgroups.core_limit.cache_clear()
    yield tmp_path
    cgroups.core_limit.cache_clear()


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 2),  # docker's --cpus=1.5
        ("0::/a/b", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("0::/", {"cpu.max": "6400000 100000"}, 8),
        ("0::/", {}, 8),
    ],
)
def test_the_limit_of_a_control_group_is_rounded_up(
    system: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], cores: int
) -> None:
    _write(system / "membership", membership)
    for name, text in files.items():
        _write(system / "groups" / name, text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert core_count.usable_processors() == core_count.computing_cores() == cores


def test_two_processors_of_one_core_count_once(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {7, 2, 4}, raising=False)
    for processor, siblings in {2: "2-3", 4: "4,7", 7: "4,7"}.items():
        _write(system / f"cpu{processor}/topology/thread_siblings_list", siblings)
    assert core_count.physical_cores() == [2, 4]
    assert (core_count.visible_processors(), core_count.computing_cores()) == (3, 2)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("denied", [True, False])
def test_without_affinities_all_processors_count(monkeypatch: pytest.MonkeyPatch, denied: bool) -> None:
    def deny(_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    if denied:
        monkeypatch.setattr(os, "sched_getaffinity", deny, raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert core_count.physical_cores() == [0, 1, 2]
