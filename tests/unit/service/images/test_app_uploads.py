"""Uploads of the app: area and encoding."""

import io

import numpy as np
import pytest
from PIL import Image

from service.images import app_uploads


@pytest.mark.parametrize("megapixels", [0.05, 0.3, 8.29])
@pytest.mark.parametrize("shape", [(100, 150, 3), (801, 333, 3)])
def test_a_scaled_photo_never_exceeds_its_area(megapixels: float, shape: tuple[int, ...]) -> None:
    rows, columns, _ = app_uploads.scaled(np.zeros(shape, np.uint8), megapixels).shape
    assert 0.98 * megapixels < rows * columns / 1e6 <= megapixels


def test_uploads_are_progressive_jpegs_with_chroma_subsampling() -> None:
    with Image.open(io.BytesIO(app_uploads.encoded(np.zeros((64, 64, 3), np.uint8)))) as image:
        assert image.format == "JPEG"
        assert image.info["progressive"]
        assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
