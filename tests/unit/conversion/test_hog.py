"""Export of dlib's HOG detector to the array file in the package."""

from pathlib import Path

import numpy as np
import pytest

from conversion import hog
from conversion.dat.primitives import DatError
from conversion.validation import reference
from conversion.validation.validate import ValueMismatchError
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.separable import SeparableFilters
from service.recognition.synthetic_pictures import scenes


@pytest.fixture(scope="module")
def saved() -> bytes:
    return reference.frontal_file()


def test_the_packaged_file_holds_the_detector_of_the_installed_dlib(saved: bytes) -> None:
    exported, packaged = hog.separated(hog.read_detector(saved)), hog_filters.load()
    np.testing.assert_array_equal(exported.thresholds, packaged.thresholds)
    assert exported.rule == packaged.rule
    assert len(packaged.filters.rows) == 305
    np.testing.assert_array_equal(exported.filters.planes, packaged.filters.planes)
    np.testing.assert_array_equal(exported.filters.parts, packaged.filters.parts)
    # The SVD does not fix the signs of a pair of singular vectors; it fixes their product.
    for number in range(len(packaged.filters.rows)):
        ours, theirs = (
            np.outer(filters.columns[number], filters.rows[number])
            for filters in (packaged.filters, exported.filters)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_the_separable_filters_sum_to_the_weights_of_dlib(saved: bytes) -> None:
    detector, filters = hog.read_detector(saved), hog_filters.load().filters
    summed = np.zeros_like(detector.weights)
    for row, column, plane, part in zip(
        filters.rows, filters.columns, filters.planes, filters.parts, strict=True
    ):
        summed[part, plane] += np.outer(column, row)
    # Dropped singular values are under a thousandth of the largest.
    assert np.abs(summed - detector.weights).max() < 2e-3 * np.abs(detector.weights).max()


@pytest.mark.not_quick
def test_exports_a_file_that_loads(tmp_path: Path) -> None:
    path = tmp_path / "detector.npz"
    differences = hog.export(path)
    assert differences["faces"] == 0.0
    assert differences["scores"] < hog.SCORE_TOLERANCE
    assert hog_filters.load(path).rule == hog_filters.load().rule


@pytest.mark.not_quick
def test_writes_no_filters_that_differ_from_dlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = hog_filters.load()
    rows = right.filters.rows.copy()
    rows[100] *= 1.01
    wrong = HogFilters(
        SeparableFilters(rows, right.filters.columns, right.filters.planes, right.filters.parts),
        right.thresholds,
        right.rule,
    )
    with pytest.raises(ValueMismatchError):
        hog.validate(wrong, scenes())
    monkeypatch.setattr(hog, "separated", lambda detector: wrong)
    with pytest.raises(ValueMismatchError):
        hog.export(tmp_path / "detector.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [0, 1, 2, 10, 40, 5000, -1])
def test_rejects_a_truncated_file(length: int, saved: bytes) -> None:
    with pytest.raises(DatError):
        hog.read_detector(saved[:length])


def test_rejects_bytes_after_the_end(saved: bytes) -> None:
    with pytest.raises(DatError, match="follow the end"):
        hog.read_detector(saved + b"\0")


def test_rejects_another_cell_size(saved: bytes) -> None:
    cell_size = saved.index(b"\x01\x08")
    with pytest.raises(DatError, match="supported is"):
        hog.read_detector(saved[:cell_size] + b"\x01\x04" + saved[cell_size + 2 :])
