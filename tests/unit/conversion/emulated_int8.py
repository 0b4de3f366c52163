"""Int8 convolutions in exact integers, and as processors without VNNI compute them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conversion.dat.layers import Conv
from conversion.graphs.quantisation import Int8Conv

LOWEST, HIGHEST = np.iinfo(np.int16).min, np.iinfo(np.int16).max


def values_of(
    layers: Sequence[Int8Conv], values: NDArray[np.uint8], input_scale: float = 1.0, saturating: bool = False
) -> NDArray[np.uint8]:
    """The result of the layers, (channels, rows, columns), for values of that form.

    Args:
        layers: the layers.
        values: the input of the first.
        input_scale: a value of 1 in the input stands for this number.
        saturating: products of two adjacent channels are added in 16 bits, which saturate (vpmaddubsw).
    """
    for conv in layers:
        values = _values_of(conv, values, input_scale, saturating)
        input_scale = conv.scale
    return values


def score_map(last: Conv, values: NDArray[np.uint8], scale: float) -> NDArray[np.float64]:
    """The last layer in float: scores, (rows, columns)."""
    fields = _fields(values, last.spec.kernel, last.spec.stride, last.spec.padding)
    weights = last.weights[0] * scale
    scores: NDArray[np.float64] = np.einsum(
        "chwij,cij->hw", fields.astype(np.float64), weights, optimize=True
    )
    return scores + np.float64(last.bias[0])


def _values_of(
    conv: Int8Conv, values: NDArray[np.uint8], input_scale: float, saturating: bool
) -> NDArray[np.uint8]:
    kernel = conv.weights.shape[2]
    fields = _fields(values, kernel, conv.strides[0], conv.padding)
    channels, rows, columns = fields.shape[:3]
    in_order = fields.transpose(1, 2, 3, 4, 0).reshape(rows * columns, kernel**2 * channels)
    inputs = in_order.astype(np.int32)
    weights = conv.weights.astype(np.int32).transpose(2, 3, 1, 0).reshape(inputs.shape[1], -1)
    if saturating:
        total = np.zeros((len(inputs), weights.shape[1]), np.int32)
        for one in range(0, len(weights), 2):
            pair = sum(inputs[:, [number]] * weights[number] for number in (one, one + 1))
            total += np.clip(pair, LOWEST, HIGHEST)
    else:
        # Exact: the products are integers below 2**53.
        total = (inputs.astype(np.float64) @ weights).astype(np.int32)
    factor = np.float32(input_scale) * conv.weight_scales / np.float32(conv.scale)
    result = np.rint((total + conv.bias).astype(np.float32) * factor)
    return np.clip(result, 0, 255).astype(np.uint8).T.reshape(-1, rows, columns)


def _fields(values: NDArray[np.uint8], kernel: int, stride: int, padding: int) -> NDArray[np.uint8]:
    padded = np.pad(values, ((0, 0), (padding, padding), (padding, padding)))
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
