"""What a graph computes in: float32, half of it, or float32 that is rounded as if it were half."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from conversion.dat.layers import Conv, Layer
from conversion.graphs.builder import GraphBuilder


@dataclass(frozen=True)
class Precision:
    """How weights are kept and values are rounded, between a float32 that is given and one that is made."""

    weights: tuple[np.dtype[Any], ...] = ()
    """The types through which weights go; they stay in the last one."""
    cast: bool = False
    """Whether values are float16's by type."""
    rounded_each: bool = False
    """Whether each layer's values are rounded to float16's, and stay float32 by type."""

    def of(self, layers: Sequence[Layer]) -> list[Layer]:
        """The layers with their weights in this precision."""
        return [
            replace(layer, weights=self._constant(layer.weights), bias=self._constant(layer.bias))
            if isinstance(layer, Conv)
            else layer
            for layer in layers
        ]

    def _constant(self, values: NDArray[Any]) -> NDArray[Any]:
        for kind in self.weights:
            values = values.astype(kind)
        return values

    def entered(self, builder: GraphBuilder, value: str) -> str:
        """A float32 in this precision."""
        return (
            builder.node("Cast", value, to=TensorProto.FLOAT16) if self.cast else self.rounded(builder, value)
        )

    def left(self, builder: GraphBuilder, value: str) -> str:
        """Back in float32."""
        return builder.node("Cast", value, to=TensorProto.FLOAT) if self.cast else value

    def rounded(self, builder: GraphBuilder, value: str) -> str:
        """A layer's result as this precision keeps it.

        To the 11 bits of float16, to nearest: Veltkamp's splitting with 2 to the power of 24 - 11, and 1. Source:
        T. J. Dekker, "A floating-point technique for extending the available precision", 1971.
        """
        if not self.rounded_each:
            return value
        large = builder.node("Mul", value, builder.constant(np.array(2**13 + 1, np.float32)))
        return builder.node("Sub", large, builder.node("Sub", large, value))


_HALF, _SINGLE = np.dtype(np.float16), np.dtype(np.float32)

FLOAT32 = Precision()
FLOAT16 = Precision(weights=(_HALF,), cast=True)
LIKE_FLOAT16 = Precision(weights=(_HALF, _SINGLE), rounded_each=True)
"""On x86-64 the CPU provider computes float16 in float32 and rounds nothing in between, so that a graph in float16 does
not show there how far a device would be off. This one does, but for a device that rounds within a layer too."""
