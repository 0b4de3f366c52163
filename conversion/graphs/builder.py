"""ONNX graph builder, and the layer transformations (folding, casts) that precede it; shared by all graphs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from conversion.dat.layers import Affine, Conv, Layer

OPSET = 17
IR_VERSION = 8
"""IR version of the ONNX release with that opset; every onnxruntime since 1.12 supports both."""

NORMALISATION_SCALE = np.array(256, np.float32)
"""Pixels minus the mean are divided by 256, not 255 (to_tensor of dlib/dnn/input.h)."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph."""

    name: str
    type: str
    """Type in onnxruntime's notation: 'tensor(uint8)', 'tensor(float)'."""
    shape: tuple[int | str, ...]
    """A name instead of a number is a dynamic dimension."""


def folded(layers: Sequence[Layer]) -> list[Layer]:
    """Fold each affine layer into the convolution before it: gamma (Wx + b) + beta = (gamma W) x + gamma b + beta.

    Computed in float64 and rounded to float32 once.
    """
    result: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Affine):
            result.append(layer)
            continue
        conv = result.pop()
        if not isinstance(conv, Conv):
            raise TypeError(f"an affine layer follows {conv.spec}, not a convolution")
        gamma = layer.gamma.astype(np.float64)
        weights = (conv.weights * gamma[:, None, None, None]).astype(np.float32)
        bias = (conv.bias * gamma + layer.beta).astype(np.float32)
        result.append(Conv(conv.spec, weights, bias, conv.stored + layer.stored))
    return result


def with_weights_as(dtype: DTypeLike, convolutions: Sequence[Conv]) -> list[Conv]:
    """The convolutions, with their weights and biases cast to a dtype."""
    return [
        replace(conv, weights=conv.weights.astype(dtype), bias=conv.bias.astype(dtype))
        for conv in convolutions
    ]


class GraphBuilder:
    """Builder of a graph, node by node. Every method returns the name of its output tensor."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def convolution(
        self,
        value: str,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32],
        strides: Sequence[int],
        pads: Sequence[int],
    ) -> str:
        """Weights (filters, channels, rows, columns); strides of rows and columns; pads top, left, bottom, right."""
        return self.node(
            "Conv",
            value,
            self.constant(weights),
            self.constant(bias),
            kernel_shape=list(weights.shape[2:]),
            strides=list(strides),
            pads=list(pads),
        )

    def minus_mean(self, pixels: str, mean: Sequence[float]) -> str:
        """Subtract the mean colour from float pixels, shape (N, 3, rows, columns), RGB."""
        return self.node("Sub", pixels, self.constant(np.array(mean, np.float32).reshape(1, 3, 1, 1)))

    def conv(self, value: str, conv: Conv) -> str:
        spec = conv.spec
        return self.convolution(value, conv.weights, conv.bias, [spec.stride] * 2, [spec.padding] * 4)

    def finish(
        self, name: str, results: Sequence[str], inputs: Sequence[Port], outputs: Sequence[Port]
    ) -> bytes:
        """The serialised model, checked by onnx; tensors `results` become the `outputs`, in this order."""
        for result, port in zip(results, outputs, strict=True):
            self._nodes.append(
                helper.make_node("Identity", [result], [port.name], name=f"output_{port.name}")
            )
        graph = helper.make_graph(
            self._nodes,
            name,
            [_value_info(port) for port in inputs],
            [_value_info(port) for port in outputs],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="accelerated-face-model",
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _value_info(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, _ELEMENTS[port.type], port.shape)


_ELEMENTS = {
    "tensor(uint8)": TensorProto.UINT8,
    "tensor(int32)": TensorProto.INT32,
    "tensor(int64)": TensorProto.INT64,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(float)": TensorProto.FLOAT,
}
