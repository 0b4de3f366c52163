"""The detector's float16 scan, emulated in float32 to validate it on a CPU.

On x86-64, ONNX Runtime's CPU provider computes float16 graphs in float32 without intermediate rounding, so they do not
show a device's rounding errors there. This graph rounds the weights and the output of every convolution to float16.
Rounding within a convolution, which some devices do, is not emulated.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from conversion.dat.read_network import Network
from conversion.graphs.builder import GraphBuilder, with_weights_as
from conversion.graphs.scan_float16 import float16_layers, graph_of


class Float16RoundingBuilder(GraphBuilder):
    """A builder that rounds the output of every convolution to float16; its type stays float32."""

    def convolution(
        self,
        value: str,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32],
        strides: Sequence[int],
        pads: Sequence[int],
    ) -> str:
        return self.rounded(super().convolution(value, weights, bias, strides, pads))

    def rounded(self, value: str) -> str:
        """A tensor rounded to the 11 bits of float16, to nearest, for values in float16's normal range.

        Veltkamp's splitting with 2 to the power of 24 - 11, and 1. Source: T. J. Dekker, "A floating-point technique
        for extending the available precision", 1971.
        """
        large = self.node("Mul", value, self.constant(np.array(2**13 + 1, np.float32)))
        return self.node("Sub", large, self.node("Sub", large, value))


def emulated_scan_graph(network: Network) -> bytes:
    """Serialised ONNX model with the inputs and outputs of `float16_graph`."""
    layers = with_weights_as(np.float32, float16_layers(network))
    return graph_of(Float16RoundingBuilder(), layers, TensorProto.FLOAT)
