"""GPU memory: a CPU fallback of one run if an allocation fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.ort.providers import CPU, CUDA, missing
from service.recognition.ort.sessions import Session

LIMIT = 96 << 20
"""Bytes of a session's arena: enough for one strip of the detector's tile, and not for ten at once."""
ROUNDING = 1e-5
"""Absolute tolerance; values of the detector's first half are up to 10."""


def test_a_run_that_does_not_fit_falls_back_to_the_cpu_once(store: Path) -> None:
    lacking = missing(CUDA)
    if lacking is not None:
        pytest.skip(lacking)
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
