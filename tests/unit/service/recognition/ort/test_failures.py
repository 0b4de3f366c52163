"""Failures of ONNX Runtime's runs: impossible results, which no real network gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_store import manifest
from model_store.models import CNN_DETECTOR, DLIB_RESNET
from service.recognition.ort.failures import impossible
from service.recognition.ort.sessions import Session


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (np.array([[0, 1], [0, 0]], np.float32), "zeros alone, for 1 of a batch of 2"),
        (np.array([[0, 1], [np.nan, np.inf]], np.float16), "infinite or NaN, 2 of 4 values"),
        (np.array([[0, 1], [1, 0]], np.float32), None),
        (np.zeros((1, 4), np.uint8), None),
        (np.zeros((0, 4), np.float32), None),
    ],
)
def test_finds_what_a_result_cannot_be(values: Any, fault: str | None) -> None:
    assert impossible(values) == fault


@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_a_flat_tile_has_features_and_scores_other_than_zero(store: Path, brightness: int) -> None:
    """Else the check of a device's results would end it for such a photo."""
    session = Session(manifest.graph_path(store, CNN_DETECTOR))
    tile = np.full((1, 3, 61, 61), brightness / 256 - 0.5, np.float32)
    features = session.compute("shrunk", {"tile": tile, "shrunk_given": np.empty((0, 32, 1, 1), np.float32)})
    scores = session.compute("scores", {"tile": tile[:0], "shrunk_given": features})
    assert impossible(features) is impossible(scores) is None
    chips = np.full((1, 150, 150, 3), brightness, np.uint8)
    assert impossible(Session(manifest.graph_path(store, DLIB_RESNET)).run(chips)) is None
