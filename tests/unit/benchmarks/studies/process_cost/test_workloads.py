"""Uploads in the sizes of the workloads."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.studies.process_cost.workloads import MIXED, WORKLOADS, Uploads, Workload


def test_a_workload_as_text() -> None:
    assert str(Workload(0.3, 1, 12)) == "0.3 MP, 1 caller"
    assert str(Workload(1.2, 8, 12)) == "1.2 MP, 8 callers"


def test_uploads_have_the_sizes_of_the_workloads(photos: dict[str, Path]) -> None:
    uploads = Uploads([photos["obama2.jpg"], photos["biden.jpg"]])
    for workload in WORKLOADS:
        sent = uploads.of(workload)
        assert len(sent) == workload.calls
        assert len(set(sent)) == 2, "both photos alternate"
        assert _megapixels(sent[0]) == pytest.approx(workload.megapixels, rel=0.01)
    assert [_megapixels(photo) for photo in uploads.mixed] == pytest.approx(MIXED, rel=0.01)
    assert {*uploads.mixed, *uploads.of(WORKLOADS[0])} <= set(uploads.all())


def _megapixels(upload: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(upload, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    rows, columns = image.shape[:2]
    return float(rows * columns) / 1e6
