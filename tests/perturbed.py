"""Other weights of a known topology, for what is said to work with any."""

import numpy as np

from conversion.dat.layers import Layer
from conversion.dat.primitives import Tensor
from conversion.dat.read_network import Network


def perturbed(data: bytes, network: Network, seed: int) -> bytes:
    """The file `data`, which `network` was read from, in which every tensor got noise of its own."""
    changed = bytearray(data)
    state = np.random.RandomState(seed)
    for tensor in (tensor for layer in network.layers for tensor in _stored(layer)):
        values = tensor.values.ravel()
        factor = 1 + 0.1 * state.standard_normal(values.size)
        noisy = values * factor + 0.05 * values.std() * state.standard_normal(values.size)
        changed[tensor.offset : tensor.offset + values.nbytes] = noisy.astype("<f4").tobytes()
    return bytes(changed)


def _stored(layer: Layer) -> tuple[Tensor, ...]:
    return getattr(layer, "stored", ())
