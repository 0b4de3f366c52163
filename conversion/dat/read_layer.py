"""Readers of a layer's own part of a file, by the name at its start.

Source: dlib/dnn/layers.h and dlib/dnn/input.h, the `deserialize` of each class.
"""

import math
from collections.abc import Callable

import numpy as np

from conversion.dat.layers import (
    AddPrev,
    Affine,
    AffineSpec,
    Conv,
    ConvSpec,
    FullyConnected,
    FullyConnectedSpec,
    Input,
    InputSpec,
    Layer,
    Pool,
    Relu,
    Spec,
    Values,
)
from conversion.dat.primitives import DatError, Reader, Tensor


def read_input(reader: Reader) -> Input:
    name = reader.string("the name of the input layer")
    if name not in (
        "input_rgb_image",
        "input_rgb_image_sized",
        "input_rgb_image_pyramid",
        "input_rgb_image_pyramid2",
    ):
        raise DatError(f"the input layer is {name!r}, not one of an RGB image")
    red, green, blue = (
        reader.finite(f"mean {colour} of the input layer") for colour in ("red", "green", "blue")
    )
    mean = (red, green, blue)
    match name:
        case "input_rgb_image_sized":
            size = reader.integer("rows of the input", 1), reader.integer("columns of the input", 1)
            return Input(InputSpec("image"), mean, size)
        case "input_rgb_image_pyramid2":
            padding = reader.integer("pyramid padding", 0, 2**16)
            outer_padding = reader.integer("outer pyramid padding", 0, 2**16)
            return Input(InputSpec("pyramid"), mean, None, padding, outer_padding)
        case "input_rgb_image_pyramid":
            return Input(InputSpec("pyramid"), mean)
        case _:
            return Input(InputSpec("image"), mean)


def read_layer(reader: Reader, expected: Spec) -> Layer:
    """Read one layer's own part. `expected` gives the tag of an add_prev, which a file does not store.

    Raises DatError for an unknown layer, or for inconsistent numbers.
    """
    start = reader.position
    name = reader.string("the name of a layer")
    if name == "add_prev_":
        return expected if isinstance(expected, AddPrev) else AddPrev(0)
    if name not in _READERS:
        raise DatError(f"unknown layer {name[:64]!r} at byte {start}")
    return _READERS[name](reader, name)


def _conv(reader: Reader, name: str) -> Conv:
    parameters = reader.tensor("convolution parameters")
    filters = reader.integer("number of filters", 1, 2**16)
    kernel, stride, padding = _kernel_stride_padding(reader, "convolution")
    shape = reader.alias("filters of a convolution")
    reader.alias("biases of a convolution")
    _multipliers(reader)
    if name != "con_4" and not reader.boolean("use_bias"):
        raise DatError("a convolution without bias, which is not supported")
    if name == "con_6" and reader.boolean("use_relu"):
        raise DatError(
            "a network whose layers were fused (dlib::fuse_layers): convert the network before fusing"
        )
    if shape[0] != filters or shape[2:] != (kernel, kernel):
        raise DatError(f"{filters} filters of {kernel}x{kernel} contradict the stored shape {shape}")
    flat = _flat(parameters, math.prod(shape) + filters, "convolution parameters")
    weights, bias = flat[:-filters].reshape(shape), flat[-filters:]
    return Conv(ConvSpec(shape[1], filters, kernel, stride, padding), weights, bias, (parameters,))


def _affine(reader: Reader, name: str) -> Affine:
    parameters = reader.tensor("affine parameters")
    channels = _channels(reader)
    mode = reader.integer("affine mode")
    if mode != 0:  # layer_mode::CONV_MODE
        raise DatError(
            f"an affine layer of mode {mode}, but only one number per channel (mode 0) is supported"
        )
    if name == "affine_2" and reader.boolean("disabled"):
        raise DatError("a disabled affine layer (dlib::fuse_layers): convert the network before fusing")
    flat = _flat(parameters, 2 * channels, "affine parameters")
    return Affine(AffineSpec(channels), flat[:channels], flat[channels:], (parameters,))


def _batch_normalisation(reader: Reader, name: str) -> Affine:
    """A bn_con as an affine layer, in float32 as in the constructor of dlib's affine_."""
    parameters = reader.tensor("batch normalisation parameters")
    channels = _channels(reader)
    reader.tensor("means")
    reader.tensor("inverse deviations")
    means, variances = reader.tensor("running means"), reader.tensor("running variances")
    reader.integer("updates")
    reader.integer("statistics window")
    _multipliers(reader)
    epsilon = reader.finite("epsilon")
    flat = _flat(parameters, 2 * channels, "batch normalisation parameters")
    with np.errstate(over="ignore", invalid="ignore"):
        variance = _flat(variances, channels, "running variances") + np.float32(epsilon)
        if not (variance > 0).all():
            raise DatError(f"corrupt at byte {variances.offset}: a running variance of {variance.min()}")
        gamma = flat[:channels] / np.sqrt(variance)
        beta = flat[channels:] - gamma * _flat(means, channels, "running means")
    if not np.isfinite((variance, gamma, beta)).all():
        raise DatError(f"corrupt before byte {reader.position}: a normalisation beyond the range of float32")
    return Affine(AffineSpec(channels), gamma, beta, (parameters, means, variances))


def _fully_connected(reader: Reader, name: str) -> FullyConnected:
    outputs = reader.integer("outputs", 1, 2**16)
    inputs = reader.integer("inputs", 1, 2**24)
    parameters = reader.tensor("fully connected weights")
    reader.alias("weights of a fully connected layer")
    reader.alias("biases of a fully connected layer")
    mode = reader.integer("bias mode")
    _multipliers(reader)
    if name == "fc_3":
        reader.boolean("use_bias")  # of no effect without a bias
    if mode != 1:  # fc_bias_mode::FC_NO_BIAS
        raise DatError(
            f"a fully connected layer of bias mode {mode}, but only one without bias (mode 1) is supported"
        )
    weights = _flat(parameters, inputs * outputs, "fully connected weights").reshape(inputs, outputs)
    return FullyConnected(FullyConnectedSpec(inputs, outputs), weights, (parameters,))


def _relu(reader: Reader, name: str) -> Relu:
    if name == "relu_2" and reader.boolean("disabled"):
        raise DatError("a disabled relu layer (dlib::fuse_layers): convert the network before fusing")
    return Relu()


def _pool(reader: Reader, name: str) -> Pool:
    kernel, stride, padding = _kernel_stride_padding(reader, "pool")
    return Pool("max" if name == "max_pool_2" else "average", kernel, stride, padding)


def _kernel_stride_padding(reader: Reader, what: str) -> tuple[int, int, int]:
    """Kernel, stride and padding. A file has each for rows and for columns, and both must be equal."""
    values = []
    for name, least in (("kernel", 0), ("stride", 1), ("padding", 0)):
        rows = reader.integer(f"{name} rows of a {what}", least, 2**16)
        columns = reader.integer(f"{name} columns of a {what}", least, 2**16)
        if rows != columns:
            raise DatError(f"a {what} with the {name} {rows}x{columns}, but only a square one is supported")
        values.append(rows)
    kernel, stride, padding = values
    return kernel, stride, padding


def _channels(reader: Reader) -> int:
    gamma, beta = reader.alias("gamma"), reader.alias("beta")
    channels = gamma[1]
    if channels == 0 or gamma != beta or gamma != (1, channels, 1, 1):
        raise DatError(f"gamma {gamma} and beta {beta} are not one number per channel each")
    return channels


def _multipliers(reader: Reader) -> None:
    """Skip learning rate and weight decay multipliers of weights and biases, which only training uses."""
    for _ in range(4):
        reader.floating("a learning rate or weight decay multiplier")


def _flat(tensor: Tensor, size: int, what: str) -> Values:
    """The tensor's values, 1-D. Raises DatError for another number of values, or values that are not finite."""
    if tensor.values.size != size:
        raise DatError(f"{what} at byte {tensor.offset}: {tensor.values.size} floats instead of {size}")
    if not np.isfinite(tensor.values).all():
        raise DatError(f"corrupt at byte {tensor.offset}: {what} have values that are not finite")
    return tensor.values.ravel()


_READERS: dict[str, Callable[[Reader, str], Layer]] = {
    "con_4": _conv,
    "con_5": _conv,
    "con_6": _conv,
    "affine_": _affine,
    "affine_2": _affine,
    "bn_con2": _batch_normalisation,
    "fc_2": _fully_connected,
    "fc_3": _fully_connected,
    "relu_": _relu,
    "relu_2": _relu,
    "max_pool_2": _pool,
    "avg_pool_2": _pool,
}
