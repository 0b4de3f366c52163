"""Comparison of faces within the rounding of float32."""

from collections.abc import Sequence

import numpy as np
import pytest

from service.recognition.recognizer import Face


def assert_same_faces(first: Sequence[Face], second: Sequence[Face]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.box == other.box
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_allclose(one.descriptor, other.descriptor, atol=1e-5)
