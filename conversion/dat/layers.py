"""The layers of dlib's networks, as far as the two networks here use them.

Every layer has a `spec`: what dlib fixes at compile time and a file merely repeats. A topology is a sequence
of specs, and a file is of that topology when the specs of its layers are equal to it.

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
    """The input layer: pixels less their mean colour, over 256."""

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
    """Rows and columns, where the layer takes one size only."""
    padding: int = 10
    outer_padding: int = 11
    """Pixels between and around the levels of a tiled pyramid; the defaults are of files that do not say."""


@dataclass(frozen=True, eq=False)
class Conv:
    spec: ConvSpec
    weights: Values
    """Shape (filters, channels, kernel, kernel)."""
    bias: Values
    """Shape (filters,)."""
    stored: tuple[Tensor, ...]
    """The tensors of the file that the values come from."""


@dataclass(frozen=True, eq=False)
class Affine:
    """Per channel y = gamma x + beta: a batch normalisation that has stopped learning."""

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
    """0: all of the picture."""
    stride: int
    padding: int = 0

    @property
    def spec(self) -> "Pool":
        return self


@dataclass(frozen=True)
class AddPrev:
    """Adds the output of a tagged layer, both extended with zeros to the larger of the two shapes."""

    tag: int

    @property
    def spec(self) -> "AddPrev":
        return self


@dataclass(frozen=True)
class Tag:
    """Names the output of the layer before."""

    number: int

    @property
    def spec(self) -> "Tag":
        return self


@dataclass(frozen=True)
class Skip:
    """Goes on from a tagged output in the place of the layer before."""

    tag: int

    @property
    def spec(self) -> "Skip":
        return self


Layer = Input | Conv | Affine | FullyConnected | Relu | Pool | AddPrev | Tag | Skip
Spec = InputSpec | ConvSpec | AffineSpec | FullyConnectedSpec | Relu | Pool | AddPrev | Tag | Skip
