"""The descriptor network over the faces of all photos in work."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.batching import Batcher
from service.recognition.contract import DESCRIPTOR_LENGTH
from service.recognition.ort.sessions import Network

Chips = NDArray[np.uint8]
"""RGB, shape (faces, 150, 150, 3)."""
Descriptors = NDArray[np.float32]
"""Shape (faces, 128)."""


class DescriptorNetwork:
    """Describes chips, those of concurrent calls together. Safe to call from many threads.

    Args:
        network: the graph, Chips to Descriptors.
        sizes: ascending, how many chips a run may have; what is missing to the next of them is filled up.
        runs: how many runs there are at the same time.
    """

    def __init__(self, network: Network, *, sizes: Sequence[int], runs: int) -> None:
        self.network = network
        self._sizes = sizes
        self._describe = Batcher[Chips, Descriptors](self._run, budget=sizes[-1], cost=len, runs=runs)
        self.batches = self._describe.sizes

    def __call__(self, chips: Chips) -> Descriptors:
        """The descriptors of chips, in their order. Raises EngineError."""
        most = self._sizes[-1]
        pieces = [chips[first : first + most] for first in range(0, len(chips), most)]
        described = [self._describe(piece) for piece in pieces]
        return np.concatenate(described) if described else np.empty((0, DESCRIPTOR_LENGTH), np.float32)

    def _run(self, batch: Sequence[Chips]) -> list[Descriptors]:
        *ends, faces = np.cumsum([len(chips) for chips in batch])
        missing = next(size for size in self._sizes if size >= faces) - faces
        filling = np.zeros((missing, *batch[0].shape[1:]), np.uint8)
        described = self.network.run(np.concatenate([*batch, filling]))
        return np.split(described[:faces], ends)
