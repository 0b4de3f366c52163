"""Disk writes of a process tree, as the kernel counts them (proc(5), /proc/PID/io)."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.processes.process_tree import family


class DiskWrites(NamedTuple):
    """Bytes that a process tree has written to files of a disk, including files deleted since."""

    written: int
    """A page of a file counts as a whole once it is changed in memory."""
    cancelled: int
    """Bytes of files that were deleted or truncated before they reached the disk."""


def disk_writes(process: int) -> DiskWrites:
    """Sums over a process tree; a descendant that has ended counts with the parent that has waited for it.

    Files on a tmpfs and memfds do not count. Equal results at two times show that no file of a disk was written between
    them. Raises OSError if a process ends meanwhile.
    """
    counts = [_counts(member) for member in family(process)]
    return DiskWrites(
        sum(count["write_bytes"] for count in counts), sum(count["cancelled_write_bytes"] for count in counts)
    )


def _counts(process: int) -> dict[str, int]:
    lines = Path("/proc", str(process), "io").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, _, value in (line.partition(":") for line in lines)}
