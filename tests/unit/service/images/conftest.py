"""A small picture, and an encoder of it for every format; no photo folder is needed."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import from_pillow

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """(40, 64, 3) RGB: smooth, for a small error of lossy formats, and different under every orientation."""
    rows, columns = np.mgrid[0:40, 0:64]
    return np.dstack([rows * 6, columns * 3 + 30, 250 - rows * 2 - columns * 2]).astype(np.uint8)


@pytest.fixture(scope="session")
def encode(picture: NDArray[np.uint8]) -> Encode:
    """encode("JPEG", quality=95): the picture, or a given `image`, as a file of that format."""

    def encode(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
        image = image or Image.fromarray(picture)
        file = BytesIO()
        if kind == "HEIF":
            from_pillow(image).save(file, **options)
        else:
            image.save(file, kind, **options)
        return file.getvalue()

    return encode
