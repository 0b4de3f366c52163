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
    width = features.shape[2] - TAPS + 1
    vector = min(max(vector_columns, 0), width)
    scores = _scores(features, filters, in_vectors=vector > 0)[:, :, :width]
    if 0 < vector < width:
        rest = np.ascontiguousarray(features[:, :, vector:])
        scores[:, :, vector:] = _scores(rest, filters, in_vectors=False)[:, :, : width - vector]
    return scores


def _scores(
    features: NDArray[np.float32], filters: SeparableFilters, *, in_vectors: bool
) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = _filtered(
        features, filters.rows, filters.columns, filters.planes, filters.parts, in_vectors
    )
    return scores


@compiled()
def _filtered(features: Any, rows: Any, columns: Any, planes: Any, parts: Any, in_vectors: bool) -> Any:
    """Scores at every position of the features; those of the last TAPS - 1 columns are meaningless.

    They are computed so that one loop runs through all rows: a loop for each row takes several times longer if a row
    has few columns.
    """
    count, height, width = features.shape
    planes_of_features = features.reshape(count, height * width)
    out = np.zeros((parts[-1] + 1, (height - TAPS + 1) * width), np.float32)
    across = np.zeros(height * width, np.float32)
    for number in range(len(planes)):
        across[:] = _ZERO
        _correlate(planes_of_features[planes[number]], 1, rows[number], in_vectors, across)
        _correlate(across, width, columns[number], in_vectors, out[parts[number]])
    return out.reshape(len(out), height - TAPS + 1, width)


@compiled()
def _correlate(values: Any, step: int, taps: Any, in_vectors: bool, out: Any) -> None:
    """Add the correlation of values that are `step` apart with TAPS weights, in the order of dlib's code."""
    t0, t1, t2, t3, t4 = taps[0], taps[1], taps[2], taps[3], taps[4]
    t5, t6, t7, t8, t9 = taps[5], taps[6], taps[7], taps[8], taps[9]
    v0, v1, v2, v3, v4 = values, values[step:], values[2 * step :], values[3 * step :], values[4 * step :]
    v5, v6, v7 = values[5 * step :], values[6 * step :], values[7 * step :]
    v8, v9 = values[8 * step :], values[9 * step :]
    if in_vectors:
        for i in range(len(v9)):
            a = v0[i] * t0 + v3[i] * t3 + v6[i] * t6 + v9[i] * t9
            b = v1[i] * t1 + v4[i] * t4 + v7[i] * t7
            c = v2[i] * t2 + v5[i] * t5 + v8[i] * t8
            out[i] += a + (b + c)
    else:
        for i in range(len(v9)):
            total = _ZERO + v0[i] * t0 + v1[i] * t1 + v2[i] * t2 + v3[i] * t3 + v4[i] * t4
            total = total + v5[i] * t5 + v6[i] * t6 + v7[i] * t7 + v8[i] * t8 + v9[i] * t9
            out[i] += total
