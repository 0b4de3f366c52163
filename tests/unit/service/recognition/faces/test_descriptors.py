"""Batches of the descriptor network: faces of several calls, and padding to the provider's batch sizes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import DLIB_RESNET
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.ort.providers import CPU, CUDA
from service.recognition.ort.sessions import Session


class _Watched(Session):
    """A session that records the number of faces of its runs."""

    def __init__(self, graph: Path) -> None:
        super().__init__(graph)
        self.faces: list[int] = []

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        self.faces += map(len, given.values())
        return super().compute(output, given)


@pytest.fixture(scope="module")
def session(store: Path) -> _Watched:
    return _Watched(manifest.graph_path(store, DLIB_RESNET))


@pytest.mark.parametrize(
    ("faces", "batches", "runs"),
    [
        (1, (1, 2, 4), [1]),
        (3, (1, 2, 4), [4]),
        (4, (1, 2, 4), [4]),
        (11, (1, 2, 4), [4, 4, 4]),
        (1, CUDA.descriptor_batches, [16]),
        (17, CUDA.descriptor_batches, [16, 16]),
        (5, CPU.descriptor_batches, [5]),
        (17, CPU.descriptor_batches, [8, 8, 1]),
    ],
)
def test_batches_are_padded_and_the_padding_is_dropped(
    session: _Watched, faces: int, batches: tuple[int, ...], runs: list[int]
) -> None:
    chips = np.random.default_rng(faces).integers(0, 256, (faces, 150, 150, 3), dtype=np.uint8)
    session.faces.clear()
    described = DescriptorNetwork(session, sizes=batches, runs=1)(chips)
    assert session.faces == runs
    expected = np.concatenate([session.run(chip[np.newaxis]) for chip in chips])
    np.testing.assert_allclose(described, expected, rtol=0, atol=1e-6)


def test_calls_that_share_a_batch_get_their_own_descriptors(session: _Watched) -> None:
    chips = np.random.default_rng(3).integers(0, 256, (5, 150, 150, 3), dtype=np.uint8)
    session.faces.clear()
    first, second = DescriptorNetwork(session, sizes=(1, 8), runs=1)._run([chips[:2], chips[2:]])
    assert session.faces == [8]
    np.testing.assert_allclose(np.concatenate([first, second]), session.run(chips), rtol=0, atol=1e-6)
    assert (len(first), len(second)) == (2, 3)


def test_no_faces_need_no_run(session: _Watched) -> None:
    session.faces.clear()
    no_chips = np.empty((0, 150, 150, 3), np.uint8)
    assert DescriptorNetwork(session, sizes=(1, 2), runs=1)(no_chips).shape == (0, 128)
    assert session.faces == []
