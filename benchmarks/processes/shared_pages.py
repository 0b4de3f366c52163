"""Shared pages of processes, which the sum of their resident sets counts more than once (proc(5), Linux).

Forked processes share pages until one of them writes, and all processes share the code of their libraries. The
proportional set size (PSS) divides a page by all processes that map it, unrelated ones included: next to a second
service on the same libraries, a service of 351 MiB had a PSS of 279 MiB. PSS is therefore used for anonymous pages
alone, which only fork shares. Pages of files and memfds are compared within the given processes, mapping by mapping.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) (\d+)")
"""The first line of a mapping in smaps: addresses and access, then offset, device and inode of the file."""
_KIBIBYTES = re.compile(r"(Rss|Anonymous|Pss_Anon): +(\d+) kB")


class Mapping(NamedTuple):
    """Mapped part of a file."""

    file: str
    """Device, inode and offset."""
    resident: int
    """KiB of resident pages of the file, without private copies (anonymous pages)."""


def shared_memory(processes: Sequence[int]) -> float:
    """Overcount in MiB of the sum of resident sets: a page of n processes counts n - 1 times here.

    Of several mappings of the same part of a file, the largest stands for all: their pages are assumed to be the same.
    A process counts as sharing nothing if it has ended or may not be read. The same holds on a kernel before 5.0, which
    has no PSS of anonymous pages. Takes 5 to 15 ms per process.
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
    """KiB of anonymous pages attributed to other processes (Anonymous - Pss_Anon), from the text of smaps_rollup."""
    found = {name: int(size) for name, size in _KIBIBYTES.findall(rollup)}
    anonymous = found.get("Anonymous", 0)
    return anonymous - found.get("Pss_Anon", anonymous)


def mappings(smaps: str) -> Iterator[Mapping]:
    """Mappings of files and memfds, from the text of smaps."""
    file, resident = "", 0
    for line in smaps.splitlines():
        if begins := _MAPPING.match(line):
            offset, device, inode = begins.groups()
            file = "" if inode == "0" else f"{device} {inode} {offset}"
        elif file and (size := _KIBIBYTES.match(line)):
            if size[1] == "Rss":
                resident = int(size[2])
            else:  # "Anonymous", which follows "Rss"
                yield Mapping(file, resident - int(size[2]))
