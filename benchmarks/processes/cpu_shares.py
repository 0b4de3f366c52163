"""A share of the CPU for each process of a measurement: a quota of control groups, or else a core by affinity.

A control group (cgroups(7), version 1 or 2) gives a process tree a quota of CPU time in each period, as containers and
systemd do, so that four processes can have less than a core each. It needs a writable /sys/fs/cgroup. Affinity
(taskset(1)) gives whole cores alone.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Period of a quota in microseconds: the kernel's default."""
REMOVAL_SECONDS = 10.0
"""Deadline for the removal of a group, whose last process may be ending."""
_JOIN = 'echo $$ > "$0" && exec "$@"'
"""Shell script that joins a group, then becomes the command: the children are in the group, too."""


class Share(Protocol):
    """The CPU time of one process tree."""

    def command(self, command: Sequence[str]) -> Sequence[str]:
        """The command that starts this command with the share."""
        ...

    def set(self, cores: float) -> None:
        """Change the share, in cores. Raises ValueError if that is not possible."""
        ...


class Quota:
    """The quota of a control group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def command(self, command: Sequence[str]) -> Sequence[str]:
        return ("sh", "-c", _JOIN, str(self._folder / "cgroup.procs"), *command)

    def set(self, cores: float) -> None:
        time_in_period = int(cores * PERIOD)
        both = self._folder / "cpu.max"
        if both.exists():
            both.write_text(f"{time_in_period} {PERIOD}")
        else:
            (self._folder / "cpu.cfs_period_us").write_text(str(PERIOD))
            (self._folder / "cpu.cfs_quota_us").write_text(str(time_in_period))

    def remove(self) -> None:
        """Remove the group, whose processes have been ended. Raises OSError if one of them goes on."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        while True:
            try:
                self._folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


class WholeCore:
    """One core by affinity."""

    def __init__(self, core: int) -> None:
        self._core = core

    def command(self, command: Sequence[str]) -> Sequence[str]:
        return ("taskset", "--cpu-list", str(self._core), *command)

    def set(self, cores: float) -> None:
        if cores != 1:
            raise ValueError(f"affinity gives whole cores, not {cores}: /sys/fs/cgroup is not writable here")


def parent_of_groups(root: Path = ROOT) -> Path | None:
    """The folder in which groups with a quota can be made; None without one."""
    for folder, quota in ((root / "cpu", "cpu.cfs_quota_us"), (root, "cpu.max")):
        trial = folder / f"face-model-{os.getpid()}-trial"
        try:
            trial.mkdir()
        except OSError:
            continue
        found = (trial / quota).exists()
        trial.rmdir()
        if found:
            return folder
    return None


@contextmanager
def shares(number: int) -> Iterator[Sequence[Share]]:
    """Shares for this number of process trees, which have to end before the context does.

    Quotas where /sys/fs/cgroup is writable, else one core each, as far as there are cores.
    """
    parent = parent_of_groups()
    if parent is None:
        yield [WholeCore(core) for core in sorted(os.sched_getaffinity(0))[:number]]
        return
    with ExitStack() as removing:
        quotas = []
        for index in range(number):
            quota = Quota(parent / f"face-model-{os.getpid()}-{index}")
            removing.callback(quota.remove)
            quotas.append(quota)
        yield quotas
