"""Memory in use by this process and all its descendants, from /proc (proc(5)).

PSS counts a page that several processes share once in total. The kernel walks all pages for it: 7 ms for the processes
of a service, so that it is read rarely, and in a thread.
"""

import os
from collections.abc import Iterator
from pathlib import Path

PROCESSES = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
KIB = 1024


def used() -> int:
    """Bytes of this process and its descendants; a process that ends meanwhile counts 0. Blocks for milliseconds."""
    return sum(map(_bytes, _tree(os.getpid())))


def _tree(process: int) -> Iterator[int]:
    """Process id of a process and those of its descendants."""
    yield process
    for children in (PROCESSES / str(process) / "task").glob("*/children"):
        try:
            found = children.read_text(encoding="ascii").split()
        except OSError:  # the thread has ended
            continue
        for child in found:
            yield from _tree(int(child))


def _bytes(process: int) -> int:
    """PSS of a process; without the right to read it, the memory that it does not share with files or processes."""
    folder = PROCESSES / str(process)
    try:
        lines = (folder / "smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(KIB * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:
        _, resident, shared, *_ = map(int, (folder / "statm").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return 0
    return PAGE * (resident - shared)
