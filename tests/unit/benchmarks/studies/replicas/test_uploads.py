"""Uploads of the study of replicas: sizes, and photos that decode."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.studies.replicas.uploads import MEGABYTE, SIZES, filled_up, fitting, uploads

NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
PLAIN = np.full((600, 800, 3), 90, np.uint8)


def pixels(jpeg: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def test_each_upload_has_its_size_and_decodes_to_its_pixels() -> None:
    made = uploads([PLAIN])
    assert [round(len(upload) / MEGABYTE, 2) for upload in made] == [megabytes for megabytes, _ in SIZES]
    for upload, (_, megapixels) in zip(made, SIZES, strict=True):
        rows, columns, _ = pixels(upload).shape
        assert rows * columns == pytest.approx(megapixels * 1e6, rel=0.02)


@pytest.mark.parametrize("missing", [3, 4, 5, 65_537, 65_538, 200_000])
def test_comments_fill_up_to_the_byte_within_a_segments_head(missing: int) -> None:
    jpeg = cv2.imencode(".jpg", NOISE)[1].tobytes()
    filled = filled_up(jpeg, (len(jpeg) + missing) / MEGABYTE, seed=1)
    assert 0 <= len(jpeg) + missing - len(filled) <= 4
    assert np.array_equal(pixels(filled), pixels(jpeg))


def test_a_photo_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"0\.3 megapixels does not fit into 0\.02 MB"):
        fitting(NOISE, 0.3, 0.02)
