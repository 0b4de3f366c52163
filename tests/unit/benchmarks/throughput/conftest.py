"""Uploads for all tests of throughput."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.throughput import photos as pictures
from service.images import decoding

Upload = Callable[[float], bytes]


@pytest.fixture(scope="session")
def upload(photos: dict[str, Path]) -> Upload:
    """`upload(0.1)`: a photo with one face at so many megapixels, as the app sends it."""
    image = decoding.decode(photos["astronaut.png"].read_bytes(), maximum_area=10**7, honour_orientation=True)
    return lambda megapixels: pictures.encoded(pictures.scaled(image, megapixels))
