"""A service and uploads for the tests of load and throughput."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.processes.running import serving
from service.images import app_uploads, decoding

Upload = Callable[[float], bytes]


@pytest.fixture(scope="session")
def upload(photos: dict[str, Path]) -> Upload:
    """`upload(0.1)`: photo of this number of megapixels with one face, encoded as by the app."""
    image = decoding.decode(photos["astronaut.png"].read_bytes(), maximum_area=10**7, honour_orientation=True)
    return lambda megapixels: app_uploads.encoded(app_uploads.scaled(image, megapixels))


@pytest.fixture(scope="session")
def service(store: Path) -> Iterator[httpx.Client]:
    """A client of a service of model 3, which all tests share."""
    with serving({"FACE_STORE": str(store.resolve()), "FACE_MODEL": "3"}) as (_, client):
        yield client
