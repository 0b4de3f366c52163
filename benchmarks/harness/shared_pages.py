"""Pages that several processes map: what a sum of their resident sets counts more than once (proc(5), Linux).

Forked processes share the pages that none of them has written, and all share the code of their libraries. The
proportional set size (PSS) divides a page by all processes that map it, unrelated ones too: beside a second service on
the same libraries, one of 351 MiB had a PSS of 279. Here only the anonymous pages are taken by PSS, since
fork alone shares these. Pages of files and memfds are compared within the given processes, mapping by mapping.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) (\d+)")
"""The first line of a mapping in smaps: addresses and access, then offset, device and inode of the file."""
_KIBIBYTES = re.compile(r"(Rss|Anonymous|Pss_Anon): +(\d+) kB")


class Mapping(NamedTuple):
    """A part of a file that a process maps."""

    file: str
    """Device, inode and offset."""
    resident: int
    """KiB of the file's own pages in memory, without those that the process has written for itself."""


def shared_memory(processes: Sequence[int]) -> float:
    """MiB that the sum of resident sets counts too often: for n processes with the same page, n - 1 times the page.

    Mappings of one part of a file count as the largest of them: their pages are taken as the same ones. A process
    that has ended, may not be read (it counts with all that is resident then), or runs on a kernel before 5.0,
    which has no PSS of anonymous pages, shares nothing. One process alone has nothing to share with. Takes 5 to 15 ms
    a process.
    """
    if len(processes) < 2:
        return 0.0
    twice = 0
    sums: dict[str, int] = {}
    largest: dict[str, int] = {}
    for process in processes:
        folder = Path("/proc", str(process))
        try:
            rollup, smaps = (folder / "smaps_rollup").read_text(), (folder / "smaps").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        twice += anonymous_shared(rollup)
        for file, resident in mappings(smaps):
            sums[file] = sums.get(file, 0) + resident
            largest[file] = max(largest.get(file, 0), resident)
    return (twice + sum(sums.values()) - sum(largest.values())) / 1024


def anonymous_shared(rollup: str) -> int:
    """KiB of a process's anonymous pages that count with other processes, of the text of smaps_rollup."""
    found = {name: int(size) for name, size in _KIBIBYTES.findall(rollup)}
    anonymous = found.get("Anonymous", 0)
    return anonymous - found.get("Pss_Anon", anonymous)


def mappings(smaps: str) -> Iterator[Mapping]:
    """The mappings of files and memfds, of the text of smaps."""
    file, resident = "", 0
    for line in smaps.splitlines():
        if begins := _MAPPING.match(line):
            offset, device, inode = begins.groups()
            file = "" if inode == "0" else f"{device} {inode} {offset}"
        elif file and (size := _KIBIBYTES.match(line)):
            if size[1] == "Rss":
                resident = int(size[2])
            else:  # "Anonymous", which stands behind "Rss"
                yield Mapping(file, resident - int(size[2]))
