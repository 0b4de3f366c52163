"""GPU memory: bounded over many image shapes, with a CPU fallback if an allocation fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.ort import nvidia
from service.recognition.ort.providers import CPU, CUDA
from service.recognition.ort.sessions import Session
from tests.gpu.recognizers import recognizer

SHAPES = [(rows, columns) for rows in range(300, 1800, 150) for columns in range(340, 2200, 460)]
"""50 shapes of up to 3.6 megapixels, not sorted by size."""
ROUNDS = 40
GROWTH = 64 << 20
"""Bytes that may be added between two rounds, by the driver itself."""
LIMIT = 96 << 20
"""Bytes of a session's arena: enough for one strip of the detector's tile, and not for ten at once."""
ROUNDING = 1e-5
"""Absolute tolerance; values of the detector's first half are up to 10."""


def test_memory_is_bounded_over_two_thousand_photos_of_many_shapes(store: Path) -> None:
    with recognizer(1, store) as on_gpu:

        def run_all_shapes() -> int:
            for shape in SHAPES:
                image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
                on_gpu.recognize(image)
            return nvidia.Driver().memory().used

        _, second, *others = (run_all_shapes() for _ in range(ROUNDS))
        assert max(others) - second < GROWTH
        assert on_gpu.stages()["cnn_detections"].on_cpu == 0


def test_a_run_that_does_not_fit_falls_back_to_the_cpu_once(store: Path) -> None:
    graph = manifest.graph_path(store, CNN_DETECTOR)
    small, ample = Session(graph, 0, CUDA, memory=LIMIT), Session(graph, 0, CPU)

    def shrunk(session: Session, photos: int, rows: int) -> NDArray[np.float32]:
        tiles = np.random.default_rng(rows).random((photos, 3, rows, 1000), np.float32) - 0.5
        return session.compute("shrunk", {"tile": tiles, "shrunk_given": np.empty((0, 32, 1, 1), np.float32)})

    # A batch that fits, one that fits after halving, a single photo that does not fit, and one that fits again.
    cpu_fallback_runs = []
    for photos, rows in ((1, 300), (32, 300), (1, 12000), (1, 300)):
        np.testing.assert_allclose(
            shrunk(small, photos, rows), shrunk(ample, photos, rows), rtol=0, atol=ROUNDING
        )
        cpu_fallback_runs.append(small.cpu_fallback_runs)
    assert cpu_fallback_runs == [0, 0, 1, 1]
