"""Uploads for the tests of load and throughput."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.throughput import jpeg_uploads
from service.images import decoding

Upload = Callable[[float], bytes]


@pytest.fixture(scope="session")
def upload(photos: dict[str, Path]) -> Upload:
    """`upload(0.1)`: photo of this number of megapixels with one face, encoded as by the app."""
    image = decoding.decode(photos["astronaut.png"].read_bytes(), maximum_area=10**7, honour_orientation=True)
    return lambda megapixels: jpeg_uploads.encoded(jpeg_uploads.scaled(image, megapixels))
