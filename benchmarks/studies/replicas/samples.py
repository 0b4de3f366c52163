"""Largest memory of processes and of files, sampled in a thread."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.processes.process_tree import family, resident_memory
from benchmarks.studies.replicas.repeated import repeated

SECONDS = 0.5
"""Between two samples: one of a tree of five processes takes up to 50 ms."""


def held_bytes(process: int, folder: Path) -> int:
    """Bytes of the files below a folder that a process tree has open. nginx unlinks a body's file once it is open."""
    sizes = {}
    for path in (path for member in family(process) for path in Path("/proc", str(member), "fd").glob("*")):
        with suppress(FileNotFoundError, ProcessLookupError):
            if folder in path.readlink().parents:
                status = path.stat()
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def tree_memory(process: int) -> float:
    """Memory of a process tree in MiB; 0 if it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return resident_memory(process)
    return 0.0


@contextmanager
def largest(measures: Mapping[str, Callable[[], float]]) -> Iterator[dict[str, float]]:
    """The largest value of each measure within the context, complete at its end."""
    values = dict.fromkeys(measures, 0.0)

    def sample() -> None:
        for name, measure in measures.items():
            values[name] = max(values[name], measure())

    with repeated(sample, SECONDS):
        yield values
