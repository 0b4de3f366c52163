"""Comparison of decoded pixels with dlib.load_rgb_image, file by file.

A file that only dlib decodes counts as a difference, as does a file that crashes a decoder. Dlib's JPEG decoder depends
on its build: the IJG library of dlib-bin upsamples chroma differently from the libjpeg-turbo of this service and of a
dlib built from source. Lossless formats must therefore be equal bit for bit. For JPEG the mean difference is bounded,
which separates another decoder from swapped channels or shifted rows.
"""

import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.results import Key, Result
from service.images import decoding
from service.settings import MAXIMUM_ORIGINAL

LEVELS = 255.0
"""Largest possible difference of two bytes; also the value for images of different sizes."""
LOSSLESS = frozenset({"PNG", "BMP", "GIF"})


@dataclass
class PixelDifferences:
    """Totals over all files, for lossless and lossy formats."""

    lossless: int = 0
    differing: int = 0
    lossy: int = 0
    mean: float = 0.0
    """Largest mean difference of a lossy file, in levels of 255."""
    refused: int = 0
    """Files that dlib decodes and this service does not."""
    problems: list[str] = field(default_factory=list)

    def add(self, path: Path, kind: str, mean: float | None) -> None:
        """Add one file's mean difference; None: this service cannot decode it."""
        if mean is None:
            self.refused += 1
            self.problems.append(f"{path.name}: decoded by dlib, but not by this service")
        elif kind in LOSSLESS:
            self.lossless += 1
            self.differing += mean > 0
            if mean > 0:
                self.problems.append(f"{path.name}: the decoded {kind} differs by {mean:.2g} levels")
        else:
            self.lossy += 1
            self.mean = max(self.mean, mean)

    def note(self, result: Result) -> None:
        """Add the figures to a result."""
        if self.lossless:
            _note(result, "lossless pixels", "photos", self.lossless)
            _note(result, "lossless pixels", "photos differing", self.differing)
        if self.lossy:
            _note(result, "lossy pixels", "photos", self.lossy)
            _note(result, "lossy pixels", "mean difference", self.mean)
        if self.lossless or self.lossy or self.refused:
            _note(result, "decoding", "decoded by the reference alone", self.refused)


def _note(result: Result, stage: str, metric: str, value: float) -> None:
    result.note(Key(section="parity", stage=stage, metric=metric), value)


class DecoderComparison:
    """Comparison in a child process, since dlib's decoders hold the GIL and may crash on a file."""

    def __init__(self) -> None:
        self._pool = _pool()

    def difference(self, path: Path) -> tuple[str, float | None] | None:
        """Format and mean difference in levels (None: only dlib decodes the file); None if dlib does not decode it."""
        try:
            return self._pool.submit(difference, path).result()
        except BrokenProcessPool:
            self._pool = _pool()
            return "unknown", None  # one of the decoders crashed

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _pool() -> ProcessPoolExecutor:
    # Ctrl-C, which a terminal sends to all processes, ends the child silently.
    return ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL))


def difference(path: Path) -> tuple[str, float | None] | None:
    """As `DecoderComparison.difference`, in this process."""
    import dlib

    try:
        theirs = dlib.load_rgb_image(str(path))
    except RuntimeError:
        return None
    try:
        data = path.read_bytes()
        kind = decoding.header(data).format
        ours = decoding.decode(data, maximum_area=MAXIMUM_ORIGINAL, honour_orientation=False)
    except (decoding.UndecodableImage, decoding.ImageTooLarge, OSError):
        return "unknown", None
    return kind, _mean_difference(ours, theirs) if ours.shape == theirs.shape else LEVELS


def _mean_difference(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    rows: Sequence[float] = [
        float(np.abs(one.astype(np.int16) - other).mean()) for one, other in zip(ours, theirs, strict=True)
    ]
    return float(np.mean(rows))
