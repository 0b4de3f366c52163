"""Uploads in the sizes of the cases."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.studies.process_cost.cases import CASES, MIXED, Case, Uploads


def test_a_case_says_its_size_and_callers() -> None:
    assert str(Case(0.3, 1, 12)) == "0.3 MP, 1 caller"
    assert str(Case(1.2, 8, 12)) == "1.2 MP, 8 callers"


def test_uploads_have_the_sizes_of_the_cases(photos: dict[str, Path]) -> None:
    uploads = Uploads([photos["obama2.jpg"], photos["biden.jpg"]])
    for case in CASES:
        turn = uploads.of(case)
        assert len(turn) == case.calls
        assert len(set(turn)) == 2, "each photo in turn"
        assert _megapixels(turn[0]) == pytest.approx(case.megapixels, rel=0.01)
    assert [_megapixels(photo) for photo in uploads.mixed] == pytest.approx(MIXED, rel=0.01)
    assert {*uploads.mixed, *uploads.of(CASES[0])} <= set(uploads.all())


def _megapixels(upload: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(upload, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    rows, columns = image.shape[:2]
    return float(rows * columns) / 1e6
