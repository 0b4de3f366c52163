"""The descriptor network, in batches over the faces of concurrent calls."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.batching import Batcher
from service.recognition.contract import DESCRIPTOR_LENGTH
from service.recognition.ort.networks import Network

Chips = NDArray[np.uint8]
"""RGB, shape (faces, 150, 150, 3)."""
Descriptors = NDArray[np.float32]
"""Shape (faces, 128)."""


class DescriptorNetwork:
    """The descriptor network, with the chips of concurrent calls in one batch. Safe to call from many threads.

    Args:
        network: the graph, Chips to Descriptors.
        sizes: batch sizes, ascending; a batch is padded to the next of them.
        runs: number of concurrent runs.
    """

    def __init__(self, network: Network, *, sizes: Sequence[int], runs: int) -> None:
        self.network = network
        self._sizes = sizes
        self._describe = Batcher[Chips, Descriptors](self._run, budget=sizes[-1], cost=len, runs=runs)
        self.batches = self._describe.sizes

    def __call__(self, chips: Chips) -> Descriptors:
        """Descriptors in the order of the chips. Raises EngineError."""
        largest = self._sizes[-1]
        pieces = [chips[first : first + largest] for first in range(0, len(chips), largest)]
        described = [self._describe(piece) for piece in pieces]
        return np.concatenate(described) if described else np.empty((0, DESCRIPTOR_LENGTH), np.float32)

    def _run(self, batch: Sequence[Chips]) -> list[Descriptors]:
        *ends, faces = np.cumsum([len(chips) for chips in batch])
        padded = next(size for size in self._sizes if size >= faces) - faces
        padding = np.zeros((padded, *batch[0].shape[1:]), np.uint8)
        described = self.network.run(np.concatenate([*batch, padding]))
        return np.split(described[:faces], ends)
