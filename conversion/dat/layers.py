"""Layers of dlib's networks, as far as the face detector and the descriptor network use them.

Each layer has a `spec`: its C++ template parameters, which a file repeats. A topology is a sequence of specs. A file
has that topology if the specs of its layers are equal to it.

Source: dlib/dnn/layers.h and dlib/dnn/input.h.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from conversion.dat.primitives import Tensor

Values = NDArray[np.float32]


@dataclass(frozen=True)
class InputSpec:
    """Input layer: (pixel - mean colour) / 256."""

    kind: Literal["image", "pyramid"]


@dataclass(frozen=True)
class ConvSpec:
    channels: int
    filters: int
    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True)
class AffineSpec:
    channels: int


@dataclass(frozen=True)
class FullyConnectedSpec:
    inputs: int
    outputs: int


@dataclass(frozen=True, eq=False)
class Input:
    spec: InputSpec
    mean: tuple[float, float, float]
    """R, G, B, 0 to 255."""
    size: tuple[int, int] | None = None
    """Rows and columns, if the layer has a fixed input size."""
    padding: int = 10
    outer_padding: int = 11
    """Pixels between and around the levels of a tiled pyramid; the defaults are for files without these values."""


@dataclass(frozen=True, eq=False)
class Conv:
    spec: ConvSpec
    weights: Values
    """Shape (filters, channels, kernel, kernel)."""
    bias: Values
    """Shape (filters,)."""
    stored: tuple[Tensor, ...]
    """Tensors of the file with these values."""


@dataclass(frozen=True, eq=False)
class Affine:
    """Per channel y = gamma x + beta: batch normalisation at inference."""

    spec: AffineSpec
    gamma: Values
    beta: Values
    stored: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class FullyConnected:
    spec: FullyConnectedSpec
    weights: Values
    """Shape (inputs, outputs)."""
    stored: tuple[Tensor, ...]


@dataclass(frozen=True)
class Relu:
    @property
    def spec(self) -> "Relu":
        return self


@dataclass(frozen=True)
class Pool:
    kind: Literal["max", "average"]
    kernel: int
    """0: global."""
    stride: int
    padding: int = 0

    @property
    def spec(self) -> "Pool":
        return self


@dataclass(frozen=True)
class AddPrev:
    """Sum with the output of a tagged layer, both zero-padded to the larger of the two shapes."""

    tag: int

    @property
    def spec(self) -> "AddPrev":
        return self


@dataclass(frozen=True)
class Tag:
    """Name for the output of the previous layer."""

    number: int

    @property
    def spec(self) -> "Tag":
        return self


@dataclass(frozen=True)
class Skip:
    """Tagged output as the input of the next layer, instead of the previous layer's output."""

    tag: int

    @property
    def spec(self) -> "Skip":
        return self


Layer = Input | Conv | Affine | FullyConnected | Relu | Pool | AddPrev | Tag | Skip
Spec = InputSpec | ConvSpec | AffineSpec | FullyConnectedSpec | Relu | Pool | AddPrev | Tag | Skip
