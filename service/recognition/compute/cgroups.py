"""What the control groups around this process allow: a container's or a unit's share of the machine.

Both generations of cgroups(7); a limit of any group up to the root counts.
"""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def memory_limit() -> float:
    """Bytes, docker's --memory or systemd's MemoryMax; or infinity."""
    limits = (
        word
        for group in _groups("memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        for word in _words(group / name)
    )
    return min((int(word) for word in limits if word.isdecimal()), default=math.inf)


@cache
def cores() -> float:
    """How many cores' time, docker's --cpus or systemd's CPUQuota; or infinity. As it was when first asked."""
    shares = []
    for group in _groups("cpu"):
        quota = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(
            group / "cpu.cfs_period_us"
        )
        match quota:
            case [time, period] if time.isdecimal():  # otherwise "max", or -1
                shares.append(int(time) / int(period))
    return min(shares, default=math.inf)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the groups that this process is in, for a controller, from its own to the root."""
    for line in _read(MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # In a container the path is often the host's, and the container's own group is mounted as the root.
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            yield (ROOT / controller if controllers else ROOT) / folder


def _words(file: Path) -> list[str]:
    return _read(file).split()


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="surrogateescape")
    except OSError:  # no such group here, or not for us to see
        return ""
