"""Separable filters: every score in the order of dlib's sums, bit for bit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.hog import filters as hog_filters
from service.recognition.hog.separable import TAPS, filtered

FILTERS = hog_filters.load().filters


def _in_vectors(values: list[NDArray[np.float32]], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    terms = [value * tap for value, tap in zip(values, taps, strict=True)]
    a = ((terms[0] + terms[3]) + terms[6]) + terms[9]
    b = (terms[1] + terms[4]) + terms[7]
    c = (terms[2] + terms[5]) + terms[8]
    total: NDArray[np.float32] = a + (b + c)
    return total


def _one_by_one(values: list[NDArray[np.float32]], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    total = np.zeros_like(values[0])
    for value, tap in zip(values, taps, strict=True):
        total = total + value * tap
    return total


@pytest.mark.parametrize("vector_columns", [-3, 0, 1, 8, 16, 19, 40])
def test_scores_equal_the_sums_of_dlib(vector_columns: int) -> None:
    rows, columns = 7, 19
    planes = int(FILTERS.planes.max()) + 1
    features = np.random.default_rng(5).random((planes, rows + TAPS - 1, columns + TAPS - 1), np.float32)
    expected = np.zeros((int(FILTERS.parts[-1]) + 1, rows, columns), np.float32)
    for part, plane, across, down in zip(
        FILTERS.parts, FILTERS.planes, FILTERS.rows, FILTERS.columns, strict=True
    ):
        for column in range(columns):
            correlated = _in_vectors if column < vector_columns else _one_by_one
            line = correlated([features[plane, :, column + tap] for tap in range(TAPS)], across)
            expected[part, :, column] += correlated([line[tap : tap + rows] for tap in range(TAPS)], down)
    np.testing.assert_array_equal(filtered(features, FILTERS, vector_columns), expected)
