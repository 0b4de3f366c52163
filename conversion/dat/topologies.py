"""Topologies of the two networks.

A dlib file has the layers' names but not their nesting, which is a C++ type.

Source: dlib/tools/python/src/face_recognition.cpp and cnn_face_detector.cpp (the types).
"""

from conversion.dat.layers import (
    AddPrev,
    AffineSpec,
    ConvSpec,
    FullyConnectedSpec,
    InputSpec,
    Pool,
    Relu,
    Skip,
    Spec,
    Tag,
)

Topology = tuple[Spec, ...]
"""Layers from the input to the output."""


def _conv(channels: int, filters: int, kernel: int, stride: int = 1) -> ConvSpec:
    """A convolution with dlib's default padding: half of the kernel, or none for a stride over 1 (con_, layers.h)."""
    return ConvSpec(channels, filters, kernel, stride, kernel // 2 if stride == 1 else 0)


def _conv_affine(channels: int, filters: int, kernel: int, stride: int = 1) -> Topology:
    return _conv(channels, filters, kernel, stride), AffineSpec(filters)


def _residual(channels: int) -> Topology:
    return (
        Tag(1),
        *_conv_affine(channels, channels, 3),
        Relu(),
        *_conv_affine(channels, channels, 3),
        AddPrev(1),
        Relu(),
    )


def _residual_down(channels: int, filters: int) -> Topology:
    """A residual block of stride 2, with an average pool of stride 2 as its shortcut."""
    return (
        Tag(1),
        *_conv_affine(channels, filters, 3, 2),
        Relu(),
        *_conv_affine(filters, filters, 3),
        Tag(2),
        Skip(1),
        Pool("average", 2, 2),
        AddPrev(2),
        Relu(),
    )


DESCRIPTOR: Topology = (
    InputSpec("image"),
    *_conv_affine(3, 32, 7, 2),
    Relu(),
    Pool("max", 3, 2),
    *3 * _residual(32),
    *_residual_down(32, 64),
    *3 * _residual(64),
    *_residual_down(64, 128),
    *2 * _residual(128),
    *_residual_down(128, 256),
    *2 * _residual(256),
    *_residual_down(256, 256),
    Pool("average", 0, 1),
    FullyConnectedSpec(256, 128),
)
"""The ResNet of 29 convolutions behind dlib.face_recognition_model_v1, for 150x150 face chips."""

DETECTOR: Topology = (
    InputSpec("pyramid"),
    *_conv_affine(3, 16, 5, 2),
    Relu(),
    *_conv_affine(16, 32, 5, 2),
    Relu(),
    *_conv_affine(32, 32, 5, 2),
    Relu(),
    *_conv_affine(32, 45, 5),
    Relu(),
    *_conv_affine(45, 45, 5),
    Relu(),
    *_conv_affine(45, 45, 5),
    Relu(),
    _conv(45, 1, 9),
)
"""The network behind dlib.cnn_face_detection_model_v1: a score map of the tiled pyramid, of stride 8."""
