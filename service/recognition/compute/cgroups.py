"""Memory and core limits of this process's control groups (cgroups), as a container or a systemd unit sets them.

Both versions of cgroups(7); the lowest limit of all groups up to the root holds.
"""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def memory_limit() -> float:
    """Memory limit in bytes (docker's --memory, systemd's MemoryMax); infinity without one."""
    limits = (
        word
        for group in _groups("memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        for word in _words(group / name)
    )
    return min((int(word) for word in limits if word.isdecimal()), default=math.inf)


@cache
def core_limit() -> float:
    """Limit in cores (docker's --cpus, systemd's CPUQuota); infinity without one. Read once per process."""
    shares = []
    for group in _groups("cpu"):
        quota = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(
            group / "cpu.cfs_period_us"
        )
        match quota:
            case [time, period] if time.isdecimal():  # "max" and -1: no limit
                shares.append(int(time) / int(period))
    return min(shares, default=math.inf)


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the groups of this process for a controller, from the innermost to the root."""
    for line in _read(MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # In a container the path is often the host's, and the container's group is mounted as the root.
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            yield (ROOT / controller if controllers else ROOT) / folder


def _words(file: Path) -> list[str]:
    return _read(file).split()


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="surrogateescape")
    except OSError:  # no such group here, or no permission to read it
        return ""
