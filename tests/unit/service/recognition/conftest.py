"""Real engines on real weights, opened once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service import images
from service.recognition.models import MODELS
from service.recognition.opening import ENGINES, open_recognizer
from service.recognition.recognizer import Recognizer


@pytest.fixture(scope="session")
def recognizers(store: Path) -> Iterator[dict[str, Recognizer]]:
    """Model 4 by each engine, two photos at once."""
    opened = {
        engine: open_recognizer(MODELS[4], engine=engine, store=store, workers=2, threads=0)
        for engine in ENGINES
    }
    yield opened
    for recognizer in opened.values():
        recognizer.close()


@pytest.fixture(scope="session")
def pictures(photos: dict[str, Path]) -> dict[str, NDArray[np.uint8]]:
    """Small photos with a face or none, decoded."""
    names = ("astronaut.png", "800px-Guido-portrait-2014.jpg", "chelsea.png")
    return {
        name: images.decode(photos[name].read_bytes(), maximum_area=10**7, honour_orientation=True)
        for name in names
    }
