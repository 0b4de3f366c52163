"""Peak memory of recognition for one photo, estimated from the photo's size before it is decoded.

Measured with `benchmarks.studies.memory`: the growth of a fresh process to its peak, at 0.3 to 8.3 megapixels with
one and two threads. Each line lies above every measured point.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from model_store.models import Model

CHANNELS = 3
MEBIBYTE = 1024**2

SCRATCH_KEPT = 96 * MEBIBYTE
"""Bytes that the pool of `compute.scratch` keeps: the pyramid levels of three photos of 1.2 megapixels, or of one of
3.7."""


class _Estimate(NamedTuple):
    """Bytes as a linear function of the photo's pixels. The decoded pixels are included."""

    fixed: int
    per_pixel: int


FACES_GIVEN = _Estimate(24 * MEBIBYTE, CHANNELS)
"""Landmarks, chips and descriptors alone: only the decoded pixels grow with the photo (143 MiB at 50 MP)."""

SEARCHED: Mapping[str, _Estimate] = MappingProxyType(
    {
        # Model.detector: peak in MiB at 0.3, 1.2, 4.0 and 8.3 MP
        "cnn": _Estimate(
            48 * MEBIBYTE, 40
        ),  # in float32 alone -, 91, 199, 354; with the scan 2, 72, 160, 301
        "hog": _Estimate(24 * MEBIBYTE, 28),  # 8, 38, 124, 230
    }
)
"""HOG's confirmation of CNN faces takes less than the search: 203 MiB at 8.3 MP."""

BY_DLIB: Mapping[str, _Estimate] = MappingProxyType(
    {
        # Model.detector: growth of both processes in MiB at 0.3, 1.2, 4.0 and 8.3 MP
        "cnn": _Estimate(48 * MEBIBYTE, 1040),  # 285, 1171
        "hog": _Estimate(48 * MEBIBYTE, 64),  # 16, 67, 224, 471
    }
)
"""Sum of the peaks of dlib's process and of the process that calls it."""
FACES_GIVEN_BY_DLIB = _Estimate(48 * MEBIBYTE, 4 * CHANNELS)
"""A photo is copied on its way from one process to the other."""


def recognition_bytes(model: Model, rows: int, columns: int, *, known: bool = False) -> int:
    """Peak bytes of `Recognizer.recognize` with the ONNX engine, the decoded pixels included.

    `known`: the faces' rectangles are given, so that no detector runs. The dlib fallback runs in processes of its
    own, which are not counted here.
    """
    estimate = FACES_GIVEN if known else SEARCHED[model.detector]
    return estimate.fixed + estimate.per_pixel * rows * columns


def dlib_recognition_bytes(model: Model, rows: int, columns: int, *, known: bool = False) -> int:
    """Peak bytes of `Recognizer.recognize` with the dlib engine, dlib's process included."""
    estimate = FACES_GIVEN_BY_DLIB if known else BY_DLIB[model.detector]
    return estimate.fixed + estimate.per_pixel * rows * columns
