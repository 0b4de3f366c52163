"""Recognisers on the real weights, opened once per session."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from conversion.dat.primitives import Reader
from conversion.validation import reference
from model_store.models import MODELS
from service.images import decoding
from service.recognition.factory import ENGINES, open_recognizer
from service.recognition.hog import filters as hog_filters
from service.recognition.recognizer import Recognizer


@pytest.fixture(scope="session")
def recognizers(store: Path) -> Iterator[dict[str, Recognizer]]:
    """Model 4 by each engine, for two concurrent photos."""
    opened = {engine: open_recognizer(MODELS[4], store, engine=engine, workers=2) for engine in ENGINES}
    yield opened
    for recognizer in opened.values():
        recognizer.close()


@pytest.fixture(scope="session")
def unsuppressed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """dlib's frontal face detector with both overlap thresholds at 1: it reports every window, with its score."""
    path = tmp_path_factory.mktemp("hog") / "detector.svm"
    data = reference.frontal_file()
    reader = Reader(data)
    for number in range(11):
        reader.integer(f"setting {number}")
    reader.floating("regularization strength")
    reader.integer("number of weights")
    start = reader.position
    assert reader.floating("overlap") == hog_filters.load().rule.overlap
    assert reader.floating("covered") == hog_filters.load().rule.covered
    one = b"\x01\x01\x01\x00"
    path.write_bytes(data[:start] + one + one + data[reader.position :])
    return dlib.fhog_object_detector(str(path))


@pytest.fixture(scope="session")
def pictures(photos: dict[str, Path]) -> dict[str, NDArray[np.uint8]]:
    """Decoded small photos, with one face or none."""
    names = ("astronaut.png", "800px-Guido-portrait-2014.jpg", "chelsea.png")
    return {
        name: decoding.decode(photos[name].read_bytes(), maximum_area=10**7, honour_orientation=True)
        for name in names
    }
