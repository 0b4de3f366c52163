"""Thresholds in float32 that separate the same scores as those in float64."""

import numpy as np
import pytest

from service.recognition.hog import filters
from service.recognition.hog.scoring import least_reaching

BETWEEN = 1 + 2**-30
"""A threshold between two float32 numbers, 1 and its upper neighbour."""


@pytest.mark.parametrize(
    "thresholds",
    [
        [1.0],  # a float32 number is its own threshold
        [BETWEEN],  # the nearest float32 number lies below
        [-BETWEEN],  # above
        [2 - 2**-30],  # above, at a power of two
        [0.0],
        filters.load().thresholds,
        filters.load().thresholds - 0.8,
    ],
    ids=range(7),
)
def test_scores_beside_a_threshold_reach_it_as_in_float64(thresholds: list[float]) -> None:
    exact = np.asarray(thresholds, np.float64)
    nearest, end = exact.astype(np.float32), np.float32(np.inf)
    least = least_reaching(exact)
    assert least.dtype == np.float32
    for scores in (np.nextafter(nearest, -end), nearest, np.nextafter(nearest, end)):
        np.testing.assert_array_equal(scores >= least, scores.astype(np.float64) >= exact)
