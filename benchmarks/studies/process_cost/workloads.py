"""Workloads and uploads of the measurement."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.throughput import jpeg_uploads
from benchmarks.throughput.scenarios import LARGEST_MEGAPIXELS
from service.images import app_uploads

TAKEN = 4
"""Maximum number of given photos in use: their sizes matter, not their number."""
MIXED = (
    0.1,
    LARGEST_MEGAPIXELS,
    0.3,
    1.2,
    2.4,
    0.6,
    4.8,
    LARGEST_MEGAPIXELS,
    0.2,
    1.2,
    0.3,
    LARGEST_MEGAPIXELS,
)
"""Megapixels of the photos for the peak memory: four callers send several of the largest concurrently."""
MIXED_CALLERS = 4
AFTER = 20
"""Number of photos before the second memory measurement."""


@dataclass(frozen=True)
class Workload:
    """Trial of each side in each round."""

    megapixels: float
    callers: int
    calls: int
    """Number of calls, for a trial of one to two seconds on two cores."""

    def __str__(self) -> str:
        return f"{self.megapixels:g} MP, {self.callers} caller{'s' if self.callers > 1 else ''}"


WORKLOADS = (Workload(0.3, 1, 12), Workload(1.2, 1, 8), Workload(0.3, 8, 24), Workload(1.2, 8, 16))
PROBED = Workload(0.3, 8, 64)
"""Load during which `/health` and `/open` are timed, about 100 times each."""


class Uploads:
    """Photos in all sizes, encoded as by the app.

    Args:
        paths: photos, of which the readable photos among the first `TAKEN` are used.

    Raises:
        ValueError: none of them is readable.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._images = [photo.image for photo in jpeg_uploads.chosen(paths[:TAKEN], TAKEN, lambda _: ())]
        self.mixed = [
            app_uploads.encoded(app_uploads.scaled(image, size))
            for image, size in zip(itertools.cycle(self._images), MIXED, strict=False)
        ]
        """One upload of each size in `MIXED`."""
        sizes = {workload.megapixels for workload in (*WORKLOADS, PROBED)}
        self._sized = {
            size: [app_uploads.encoded(app_uploads.scaled(image, size)) for image in self._images]
            for size in sizes
        }

    def of(self, workload: Workload) -> list[bytes]:
        """Uploads of a trial, cycling through the photos."""
        return self.repeated(workload.megapixels, workload.calls)

    def repeated(self, megapixels: float, number: int) -> list[bytes]:
        """`number` uploads of this size, cycling through the photos."""
        return list(itertools.islice(itertools.cycle(self._sized[megapixels]), number))

    def all(self) -> Iterator[bytes]:
        """All different uploads."""
        return itertools.chain(self.mixed, *self._sized.values())
