"""What one photo adds to the process's memory while it is recognised, reckoned from its size before it is decoded.

Measured with `benchmarks.studies.memory`: the peak of a fresh process above what it held before, at 0.3 to 8.3
megapixels with one and two threads; each line lies above every measured point.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from model_store.models import Model

CHANNELS = 3
MEBIBYTE = 1024**2


class _Line(NamedTuple):
    """Bytes of a photo of no size, and of each of its pixels, the decoded ones included."""

    fixed: int
    per_pixel: int


FACES_GIVEN = _Line(24 * MEBIBYTE, CHANNELS)
"""Landmarks, chips and descriptors alone: nothing grows with the photo but its own pixels (143 MiB at 50 MP)."""

SEARCHED: Mapping[tuple[str, bool], _Line] = MappingProxyType(
    {
        # (Model.detector, Model.confirmed_by_hog): peak in MiB at 0.3, 1.2, 4.0 and 8.3 MP
        ("cnn", False): _Line(24 * MEBIBYTE, 40),  # 19, 63, 172, 305
        ("cnn", True): _Line(32 * MEBIBYTE, 56),  # 27, 90, 217, 446
        ("hog", False): _Line(24 * MEBIBYTE, 24),  # 9, 50, 97, 192
    }
)

BY_DLIB: Mapping[str, _Line] = MappingProxyType(
    {
        # Model.detector: growth of both processes in MiB at 0.3, 1.2, 4.0 and 8.3 MP
        "cnn": _Line(48 * MEBIBYTE, 1040),  # 285, 1171
        "hog": _Line(48 * MEBIBYTE, 64),  # 16, 67, 224, 471
    }
)
"""Peak of the process that dlib runs in and of the one that serves, together."""
FACES_GIVEN_BY_DLIB = _Line(48 * MEBIBYTE, 4 * CHANNELS)
"""A photo is copied on its way from one process to the other."""


def needed(model: Model, rows: int, columns: int, *, known: bool = False) -> int:
    """Bytes that `Recognizer.recognize` needs at its peak for a photo of this size, its decoded pixels included.

    `known`: the faces' rectangles are given, and nothing is searched. The ONNX engine's figures; dlib, where it
    stands in, runs in processes of its own.
    """
    line = FACES_GIVEN if known else SEARCHED[model.detector, model.confirmed_by_hog]
    return line.fixed + line.per_pixel * rows * columns


def needed_by_dlib(model: Model, rows: int, columns: int, *, known: bool = False) -> int:
    """As `needed`, for an engine that is dlib alone: bytes of its process too."""
    line = FACES_GIVEN_BY_DLIB if known else BY_DLIB[model.detector]
    return line.fixed + line.per_pixel * rows * columns
