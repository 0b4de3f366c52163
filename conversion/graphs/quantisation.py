"""Quantisation of convolutions to int8, each followed by a ReLU: ranges of values by calibration, and rounded weights.

Values are uint8 with one scale for all channels of a layer, whose largest value in the calibration is 255. Measured
without a gain: a larger range, a smaller one, channels scaled to equal ranges, and a correction of the biases.

Weights are integers from -64 to 64, called 7 bits here. Processors without VNNI add two products of 8 bits in 16 bits,
which saturate; with 7 bits they cannot, since 2 * 255 * 64 < 32,768. So AVX2, AVX-VNNI and AVX-512 VNNI give equal
values (measured). An eighth bit gains nothing: nearly all of the error of a score comes from rounded values of the
first three layers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from conversion.dat.layers import Conv, ConvSpec
from conversion.graphs.builder import GraphBuilder, Port
from service.recognition.ort.runtime import onnxruntime

LARGEST_VALUE = 255
LARGEST_WEIGHT = 64
PLACES = 150
"""Places of each layer's input that are sampled per picture, for the correlations of its values."""
DAMPING = 0.01
"""Added to the diagonal of the correlations, as a share of its mean (GPTQ's value: see `rounded`)."""
SEED = 7
INPUT = "values"


class CalibrationError(Exception):
    """The calibration gives no range, or no correlations, for a layer."""


@dataclass(frozen=True, eq=False)
class Int8Conv:
    """A convolution of uint8 values, whose result is uint8 too; negative results are 0."""

    weights: NDArray[np.int8]
    """Shape (filters, channels, rows, columns), from -LARGEST_WEIGHT to LARGEST_WEIGHT."""
    weight_scales: NDArray[np.float32]
    """Shape (filters,)."""
    bias: NDArray[np.int32]
    """Shape (filters,), in units of the input's scale times the weights' scale."""
    scale: float
    """A value of 1 in the result stands for this number."""
    strides: tuple[int, int]
    """Of rows and columns."""
    padding: int
    """Zeros on each side."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of one layer over all calibration pictures."""

    highest: float
    """Largest value of the result."""
    correlations: NDArray[np.float64]
    """Products of every two inputs under the kernel, summed over places; shape (n, n) for n weights of a filter."""

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(max(self.highest, other.highest), self.correlations + other.correlations)


def quantised(layers: Sequence[Conv], statistics: Sequence[Statistics]) -> list[Int8Conv]:
    """The layers in int8: convolutions, each followed by a ReLU, whose first input is uint8 with a scale of 1.

    Raises CalibrationError.
    """
    result: list[Int8Conv] = []
    input_scale = 1.0
    for conv, of_layer in zip(layers, statistics, strict=True):
        highest, squares = of_layer.highest, np.trace(of_layer.correlations)
        if not 0 < highest * squares < np.inf:  # a NaN fails too
            raise CalibrationError(
                f"layer {len(result)} cannot be calibrated: its largest value is {highest:g}"
            )
        weights = conv.weights.astype(np.float64)
        units, scales = rounded(weights.reshape(len(weights), -1), of_layer.correlations)
        bias = np.rint(conv.bias / (scales * input_scale))
        input_scale = highest / LARGEST_VALUE
        result.append(
            Int8Conv(
                units.reshape(weights.shape).astype(np.int8),
                scales.astype(np.float32),
                bias.astype(np.int32),
                input_scale,
                (conv.spec.stride, conv.spec.stride),
                conv.spec.padding,
            )
        )
    return result


def rounded(
    weights: NDArray[np.float64], correlations: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integer weights, (filters, n), and the scale of each filter, (filters,).

    The error of each rounded weight is spread over the weights that are not rounded yet, so that the error of the
    result is small for inputs with these correlations, (n, n): half of the error of plain rounding. Weights of zero are
    padding, and stay zero.

    Source: E. Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
    2023.
    """
    largest = np.abs(weights).max(axis=1)
    scales = np.where(largest > 0, largest / LARGEST_WEIGHT, 1)
    # The weights of the largest inputs come first, since most others are left to correct their errors.
    order = np.argsort(-np.diag(correlations), kind="stable")
    damped = correlations[np.ix_(order, order)] + DAMPING * np.diag(correlations).mean() * np.eye(len(order))
    spread = np.linalg.cholesky(np.linalg.inv(damped)).T
    left = weights[:, order] / scales[:, None]
    units = np.empty_like(left)
    for column in range(len(order)):
        nearest = np.clip(np.rint(left[:, column]), -LARGEST_WEIGHT, LARGEST_WEIGHT)
        units[:, column] = np.where(weights[:, order[column]] == 0, 0, nearest)
        error = (left[:, column] - units[:, column]) / spread[column, column]
        left[:, column + 1 :] -= np.outer(error, spread[column, column + 1 :])
    return units[:, np.argsort(order)], scales


def calibrated(layers: Sequence[Conv], inputs: Iterable[NDArray[np.uint8]]) -> list[Statistics]:
    """Statistics of each layer in float32 over all inputs of the first layer, each (1, channels, rows, columns)."""
    session = onnxruntime.InferenceSession(_layers_graph(layers), providers=["CPUExecutionProvider"])
    state = np.random.RandomState(SEED)
    total: list[Statistics] = []
    for first in inputs:
        results = session.run(None, {INPUT: first})
        found = [
            Statistics(float(result.max()), _correlations(state, values[0], conv.spec))
            for conv, values, result in zip(layers, [first, *results[:-1]], results, strict=True)
        ]
        total = [one + other for one, other in zip(total, found, strict=True)] if total else found
    return total


def _correlations(
    state: np.random.RandomState, values: NDArray[np.generic], spec: ConvSpec
) -> NDArray[np.float64]:
    """The correlations of one picture at PLACES random places of a layer's input, (channels, rows, columns)."""
    padded = np.pad(values, ((0, 0), *((spec.padding, spec.padding),) * 2))
    fields = np.lib.stride_tricks.sliding_window_view(padded, (spec.kernel, spec.kernel), (1, 2))
    rows, columns = (state.randint(0, size, PLACES) for size in fields.shape[1:3])
    sample = fields[:, rows, columns].transpose(1, 0, 2, 3).reshape(PLACES, -1).astype(np.float32)
    return (sample.T @ sample).astype(np.float64)


def _layers_graph(layers: Sequence[Conv]) -> bytes:
    """A model of the layers in float32; its outputs are the results of all."""
    builder = GraphBuilder()
    value = builder.node("Cast", INPUT, to=TensorProto.FLOAT)
    results, ports = [], []
    for number, conv in enumerate(layers):
        value = builder.node("Relu", builder.conv(value, conv))
        results.append(value)
        ports.append(
            Port(f"result_{number}", "tensor(float)", (1, conv.spec.filters, f"H{number}", f"W{number}"))
        )
    inputs = [Port(INPUT, "tensor(uint8)", (1, layers[0].spec.channels, "H", "W"))]
    return builder.finish("layers", results, inputs, ports)
