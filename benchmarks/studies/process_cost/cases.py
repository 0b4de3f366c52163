"""Photos and turns of the measurement, as data."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.throughput import photos
from benchmarks.throughput.cases import LARGEST

TAKEN = 4
"""Photos at most, of those that were given: their sizes make the difference, not their number."""
MIXED = (0.1, LARGEST, 0.3, 1.2, 2.4, 0.6, 4.8, LARGEST, 0.2, 1.2, 0.3, LARGEST)
"""Megapixels of the set for the peak of memory: four callers meet several of the largest at the same time."""
MIXED_CALLERS = 4
AFTER = 20
"""Photos after which the memory is read again."""


@dataclass(frozen=True)
class Case:
    """A turn of each side in each round."""

    megapixels: float
    callers: int
    calls: int
    """One to two seconds of a turn on two cores."""

    def __str__(self) -> str:
        return f"{self.megapixels:g} MP, {self.callers} caller{'s' if self.callers > 1 else ''}"


CASES = (Case(0.3, 1, 12), Case(1.2, 1, 8), Case(0.3, 8, 24), Case(1.2, 8, 16))
PROBED = Case(0.3, 8, 64)
"""The load under which `/health` and `/open` are timed, some 100 times each."""


class Uploads:
    """The given photos in all sizes, as the app encodes them.

    Args:
        paths: photos; the first `TAKEN` that can be read.

    Raises:
        ValueError: none of them can be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._images = [photo.image for photo in photos.chosen(paths[:TAKEN], TAKEN, lambda _: ())]
        self.mixed = [
            photos.encoded(photos.scaled(image, size))
            for image, size in zip(itertools.cycle(self._images), MIXED, strict=False)
        ]
        """One of each of the sizes in `MIXED`."""
        sizes = {case.megapixels for case in (*CASES, PROBED)}
        self._sized = {
            size: [photos.encoded(photos.scaled(image, size)) for image in self._images] for size in sizes
        }

    def of(self, case: Case) -> list[bytes]:
        """The uploads of a turn: each photo in turn."""
        return self.repeated(case.megapixels, case.calls)

    def repeated(self, megapixels: float, number: int) -> list[bytes]:
        """`number` uploads of this size: each photo in turn."""
        return list(itertools.islice(itertools.cycle(self._sized[megapixels]), number))

    def all(self) -> Iterator[bytes]:
        """Each upload once."""
        return itertools.chain(self.mixed, *self._sized.values())
