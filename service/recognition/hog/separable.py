"""Separable filters over feature planes, with every sum in dlib's order.

Source: dlib/image_transforms/spatial_filtering.h (float_spatially_filter_image_separable) and
dlib/image_processing/scan_fhog_pyramid.h (apply_filters_to_fhog).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled

TAPS = 10
"""Side of a filter in cells: a window of 80 pixels, in cells of 8."""
_ZERO = np.float32(0)


@dataclass(frozen=True)
class SeparableFilters:
    """Pairs of a row and a column filter. A detector part is the sum of its pairs, each on one feature plane."""

    rows: NDArray[np.float32]
    """Shape (filters, TAPS)."""
    columns: NDArray[np.float32]
    """Shape (filters, TAPS)."""
    planes: NDArray[np.int64]
    """Shape (filters,): the feature plane of each pair."""
    parts: NDArray[np.int64]
    """Shape (filters,): the detector part of each pair, ascending."""


def filtered(
    features: NDArray[np.float32], filters: SeparableFilters, vector_columns: int
) -> NDArray[np.float32]:
    """Correlation of the feature planes with each detector part.

    Args:
        features: shape (planes, rows + TAPS - 1, columns + TAPS - 1).
        filters: the filters of all parts.
        vector_columns: number of columns, from the left, that dlib computes with vectors. The rest are computed one
            by one, with sums in another order.

    Returns:
        Shape (parts, rows, columns).
    """
    parts = int(filters.parts[-1]) + 1
    summed: NDArray[np.float32] = _filtered(
        features, filters.rows, filters.columns, filters.planes, filters.parts, parts, vector_columns
    )
    return summed


@compiled()
def _filtered(
    features: Any, rows: Any, columns: Any, planes: Any, parts: Any, count: int, vector_columns: int
) -> Any:
    height, width = features.shape[1], features.shape[2] - TAPS + 1
    out = np.zeros((count, height - TAPS + 1, width), np.float32)
    scratch = np.empty((height, width), np.float32)
    vector = min(max(vector_columns, 0), width)
    for number in range(len(planes)):
        f = rows[number]
        f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9]
        for row in range(height):
            line, target = features[planes[number], row], scratch[row]
            for c in range(vector):
                a = line[c] * f0 + line[c + 3] * f3 + line[c + 6] * f6 + line[c + 9] * f9
                b = line[c + 1] * f1 + line[c + 4] * f4 + line[c + 7] * f7
                d = line[c + 2] * f2 + line[c + 5] * f5 + line[c + 8] * f8
                target[c] = a + (b + d)
            for c in range(vector, width):
                total = _ZERO
                for tap in range(TAPS):
                    total += line[c + tap] * f[tap]
                target[c] = total
        g = columns[number]
        f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
        for row in range(height - TAPS + 1):
            total_line = out[parts[number], row]
            s0, s1, s2, s3, s4 = (
                scratch[row],
                scratch[row + 1],
                scratch[row + 2],
                scratch[row + 3],
                scratch[row + 4],
            )
            s5, s6, s7, s8, s9 = (
                scratch[row + 5],
                scratch[row + 6],
                scratch[row + 7],
                scratch[row + 8],
                scratch[row + 9],
            )
            for c in range(vector):
                a = s0[c] * f0 + s3[c] * f3 + s6[c] * f6 + s9[c] * f9
                b = s1[c] * f1 + s4[c] * f4 + s7[c] * f7
                d = s2[c] * f2 + s5[c] * f5 + s8[c] * f8
                total_line[c] += a + (b + d)
            for c in range(vector, width):
                total = _ZERO
                for tap in range(TAPS):
                    total += scratch[row + tap, c] * g[tap]
                total_line[c] += total
    return out
