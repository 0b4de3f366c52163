"""Comparison of the service's answers."""

from typing import Any

import numpy as np
import pytest

EDGES = ("left", "top", "right", "bottom")


def assert_same_answer(answer: Any, expected: Any) -> None:
    """Asserts that two answers of `/detect` are equal up to the rounding of another engine."""
    assert answer["faces-count"] == expected["faces-count"]
    for face, other in zip(answer["faces"], expected["faces"], strict=True):
        for exact in (*EDGES, "landmarks"):
            assert face[exact] == other[exact]
        np.testing.assert_allclose(face["descriptor"], other["descriptor"], rtol=0, atol=1e-5)
        assert face["detection_confidence"] == pytest.approx(other["detection_confidence"], abs=1e-5)
