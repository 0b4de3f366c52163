"""Decoded pixels against dlib.load_rgb_image, file by file.

What dlib decodes a JPEG with is a matter of how it was built: dlib-bin's IJG library gives other subsampled colours
than the libjpeg-turbo that this service and a dlib from source use. So lossless formats are compared to the bit, and
of a JPEG the mean difference counts, which tells another decoder from swapped channels or shifted rows.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Key, Result
from service import images
from service.settings import LARGEST_ORIGINAL

LOSSLESS = frozenset({"PNG", "BMP", "GIF"})


@dataclass
class Pixels:
    """What the files came to, for lossless formats and for JPEG."""

    lossless: int = 0
    differing: int = 0
    jpegs: int = 0
    mean: float = 0.0
    """Largest of the JPEGs' mean differences, in levels of 255."""
    problems: list[str] = field(default_factory=list)

    def add(self, path: Path, kind: str, mean: float) -> None:
        """Note one file's mean difference."""
        if kind in LOSSLESS:
            self.lossless += 1
            self.differing += mean > 0
            if mean > 0:
                self.problems.append(f"{path.name}: the decoded {kind} differs by {mean:.2g} levels")
        else:
            self.jpegs += 1
            self.mean = max(self.mean, mean)

    def note(self, result: Result) -> None:
        """Put it all into a result."""
        if self.lossless:
            _note(result, "lossless pixels", "photos", self.lossless)
            _note(result, "lossless pixels", "photos differing", self.differing)
        if self.jpegs:
            _note(result, "JPEG pixels", "photos", self.jpegs)
            _note(result, "JPEG pixels", "mean difference", self.mean)


def _note(result: Result, stage: str, metric: str, value: float) -> None:
    result.note(Key(section="parity", stage=stage, metric=metric), value)


class Decoders:
    """Compares files in a process of its own: dlib's decoders may crash on a file, and hold the interpreter's lock."""

    def __init__(self) -> None:
        self._pool = _pool()

    def difference(self, path: Path) -> tuple[str, float] | None:
        """A file's format and its mean difference in levels; None where one of both cannot decode it."""
        try:
            return self._pool.submit(difference, path).result()
        except BrokenProcessPool:
            self._pool = _pool()
            return None

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def opened() -> Iterator[Decoders]:
    """Decoders, until the end of the `with` block."""
    decoders = Decoders()
    try:
        yield decoders
    finally:
        decoders.close()


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"))


def difference(path: Path) -> tuple[str, float] | None:
    """As `Decoders.difference`, in this process."""
    import dlib

    data = path.read_bytes()
    try:
        kind = images.header(data).format
        ours = images.decode(data, maximum_area=LARGEST_ORIGINAL, honour_orientation=False)
        theirs = dlib.load_rgb_image(str(path))
    except (images.UndecodableImage, images.ImageTooLarge, RuntimeError):
        return None
    if ours.shape != theirs.shape:
        return kind, 255.0
    return kind, _mean_difference(ours, theirs)


def _mean_difference(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    rows: Sequence[float] = [
        float(np.abs(one.astype(np.int16) - other).mean()) for one, other in zip(ours, theirs, strict=True)
    ]
    return float(np.mean(rows))
