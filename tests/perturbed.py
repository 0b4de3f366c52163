"""Randomly perturbed weights of a known topology."""

import numpy as np

from conversion.dat.layers import Layer
from conversion.dat.primitives import Tensor
from conversion.dat.read_network import Network


def perturbed(data: bytes, network: Network, seed: int) -> bytes:
    """The .dat file `data`, from which `network` was read, with independent noise added to every tensor."""
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
