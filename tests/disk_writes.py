"""Writes to disks by a process tree, as the kernel counts them (proc(5), /proc/PID/io)."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.processes import family


class DiskWrites(NamedTuple):
    """Bytes that a process and its descendants have written to files of a disk, and may have deleted since."""

    written: int
    """A page of a file counts as a whole, as soon as it is changed in memory."""
    cancelled: int
    """Of files that were deleted or cut before they reached the disk."""


def disk_writes(process: int) -> DiskWrites:
    """The sums over a process tree; a descendant that has ended counts with the parent that has waited for it.

    Not counted: files on a tmpfs and memfds, which are no file of a disk. An equal pair at two times shows that no
    file of a disk was written between them. Raises OSError where a process ends meanwhile.
    """
    counts = [_counts(member) for member in family(process)]
    return DiskWrites(
        sum(count["write_bytes"] for count in counts), sum(count["cancelled_write_bytes"] for count in counts)
    )


def _counts(process: int) -> dict[str, int]:
    lines = Path("/proc", str(process), "io").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, _, value in (line.partition(":") for line in lines)}
