"""The descriptor network over the faces of all photos in work."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.recognition.batching import Batcher
from service.recognition.engines.protocol import DESCRIPTOR_LENGTH
from service.recognition.sessions import Network

Chips = NDArray[np.uint8]
"""RGB, shape (faces, 150, 150, 3)."""
Descriptors = NDArray[np.float32]
"""Shape (faces, 128)."""


class DescriptorNetwork:
    """Describes chips, those of concurrent calls together. Safe to call from many threads.

    Args:
        network: the graph, Chips to Descriptors.
        faces: how many share a run.
        runs: how many runs there are at the same time.
    """

    def __init__(self, network: Network, *, faces: int, runs: int) -> None:
        self.network = network
        self._faces = faces
        self._describe = Batcher[Chips, Descriptors](self._run, budget=faces, cost=len, runs=runs)
        self.batches = self._describe.sizes

    def __call__(self, chips: Chips) -> Descriptors:
        """The descriptors of chips, in their order. Raises EngineError."""
        pieces = [chips[first : first + self._faces] for first in range(0, len(chips), self._faces)]
        described = [self._describe(piece) for piece in pieces]
        return np.concatenate(described) if described else np.empty((0, DESCRIPTOR_LENGTH), np.float32)

    def _run(self, batch: Sequence[Chips]) -> list[Descriptors]:
        ends = np.cumsum([len(chips) for chips in batch])
        return np.split(self.network.run(np.concatenate(batch)), ends[:-1])
