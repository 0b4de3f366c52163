"""A GPU's memory: it does not grow with the shapes that were met, and running short of it costs no photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.ort import nvidia
from service.recognition.ort.providers import CPU, CUDA
from service.recognition.ort.sessions import Session
from tests.gpu.conftest import opened

SHAPES = [(rows, columns) for rows in range(300, 1800, 150) for columns in range(340, 2200, 460)]
"""50 of them, up to 3.6 megapixels, in no order of size."""
ROUNDS = 40
GROWTH = 64 << 20
"""Bytes that may come to a GPU between two rounds: of what the driver itself keeps."""
LIMIT = 96 << 20
"""Bytes of a session: enough for a strip of the detector's tile, and not for ten at once."""
ROUNDING = 1e-5
"""Values of the detector's first half are up to 10."""


def test_many_shapes_take_no_more_memory_in_two_thousand_photos(store: Path) -> None:
    with opened(1, store) as recognizer:

        def round_of_all() -> int:
            for shape in SHAPES:
                image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
                recognizer.recognize(image)
            return nvidia.Driver().memory().used

        _, second, *others = (round_of_all() for _ in range(ROUNDS))
        assert max(others) - second < GROWTH
        assert recognizer.stages()["cnn_detections"].on_cpu == 0


def test_a_run_that_does_not_fit_is_computed_by_the_cpu_and_the_gpu_is_tried_again(store: Path) -> None:
    graph = manifest.graph_path(store, CNN_DETECTOR)
    small, ample = Session(graph, 0, CUDA, memory=LIMIT), Session(graph, 0, CPU)

    def shrunk(session: Session, photos: int, rows: int) -> NDArray[np.float32]:
        tiles = np.random.default_rng(rows).random((photos, 3, rows, 1000), np.float32) - 0.5
        return session.compute("shrunk", {"tile": tiles, "shrunk_given": np.empty((0, 32, 1, 1), np.float32)})

    # One that fits, one that has to be halved, one that no halving helps, and again one that fits.
    cpu_fallback_runs = []
    for photos, rows in ((1, 300), (32, 300), (1, 12000), (1, 300)):
        np.testing.assert_allclose(
            shrunk(small, photos, rows), shrunk(ample, photos, rows), rtol=0, atol=ROUNDING
        )
        cpu_fallback_runs.append(small.cpu_fallback_runs)
    assert cpu_fallback_runs == [0, 0, 1, 1]
