"""Reader of a network's .dat file, which checks it against a topology.

Source: dlib/dnn/core.h (deserialize of add_loss_layer, add_layer, add_tag_layer and add_skip_layer) and
dlib/dnn/loss.h (mmod_options).
"""

import hashlib
from dataclasses import dataclass

from conversion.dat.kinds import describe, network_loss
from conversion.dat.layers import Affine, Conv, FullyConnected, Input, InputSpec, Layer, Skip, Spec, Tag
from conversion.dat.primitives import DatError, Reader
from conversion.dat.read_layer import read_input, read_layer
from conversion.dat.topologies import Topology


@dataclass(frozen=True)
class MmodOptions:
    """The detector's window and its overlap thresholds (mmod_options)."""

    window_width: int
    window_height: int
    suppression_overlap: float
    suppression_covered: float
    suppression_bytes: tuple[int, int]
    """Start and end of the two suppression thresholds in the file."""


@dataclass(frozen=True)
class Network:
    layers: tuple[Layer, ...]
    """Layers from the input to the output."""
    options: MmodOptions | None
    """Options of a detector; None for a network with another loss."""

    def fingerprint(self) -> str:
        """sha256 of all parameters, equal for all file format versions of one network."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(repr(layer.spec).encode())
            match layer:
                case Input():
                    digest.update(repr(layer.mean).encode())
                case Conv():
                    digest.update(layer.weights.tobytes() + layer.bias.tobytes())
                case Affine():
                    digest.update(layer.gamma.tobytes() + layer.beta.tobytes())
                case FullyConnected():
                    digest.update(layer.weights.tobytes())
        return digest.hexdigest()


def read_network(data: bytes, topology: Topology) -> Network:
    """Read the bytes of a file with a network of `topology`.

    Checks the kind of file, its structure, every size, that all weights are finite, and that no bytes follow. A
    changed bit of a weight is found only by the catalogue's hash.

    Raises:
        DatError: with the file's kind, or the position of the error.
    """
    is_detector = topology[0] == InputSpec("pyramid")
    losses = ("loss_mmod_",) if is_detector else ("loss_metric_2", "loss_metric_")
    if network_loss(data) not in losses:
        raise DatError(f"expected a network with {' or '.join(losses)}, found {describe(data)}")

    reader = Reader(data)
    reader.version("a network", 1)
    options = None
    match reader.string("loss layer"):
        case "loss_mmod_":
            options = _mmod_options(reader)
        case "loss_metric_2":
            reader.floating("margin")
            reader.floating("distance threshold")
    layers = _read_layers(reader, topology)
    reader.end()
    return Network(layers, options)


def _read_layers(reader: Reader, topology: Topology) -> tuple[Layer, ...]:
    """Layers from the input to the output.

    A layer is serialized as its version, the whole layer below it, and its own values. So a file has first all
    versions, from output to input, and then all values, from input to output.
    """
    versions = [_version(reader, spec) for spec in reversed(topology[2:])][::-1]
    innermost = reader.version("the first layer", 2, 3)

    layers: list[Layer] = [read_input(reader)]
    for number, spec in enumerate(topology):
        if number > 0:
            layers.append(spec if isinstance(spec, Tag | Skip) else read_layer(reader, spec))
        if layers[-1].spec != spec:
            raise DatError(
                f"layer {number} before byte {reader.position} is {layers[-1].spec}, "
                f"and {spec} in the topology"
            )
        if number > 0 and not isinstance(spec, Tag | Skip):
            _skip_state(reader, 3 if number == 1 or versions[number - 2] == 2 else 2)
        if number == 1 and innermost == 3:
            reader.integer("sample expansion factor", 1, 2**16)
    return tuple(layers)


def _version(reader: Reader, spec: Spec) -> int:
    known = (1,) if isinstance(spec, Tag | Skip) else (1, 2)
    return reader.version(f"a layer ({type(spec).__name__})", *known)


def _skip_state(reader: Reader, tensors: int) -> None:
    """Skip the state of training: three flags, gradients and outputs, which are empty in a published file."""
    for name in ("this_layer_setup_called", "gradient_input_is_stale", "get_output_disabled"):
        reader.boolean(name)
    for _ in range(tensors):
        reader.tensor("gradient or cached output")


def _mmod_options(reader: Reader) -> MmodOptions:
    version = reader.version("mmod_options", 1, 2, 3, 4)
    windows = 1 if version == 1 else reader.integer("number of detector windows", 1)
    if windows != 1:
        raise DatError(f"a detector of {windows} windows, but only a single one is supported")
    labelled = version > 1 and reader.version("a detector window", 1, 2) == 2
    width = reader.integer("window width", 1, 2**16)
    height = reader.integer("window height", 1, 2**16)
    if labelled:
        reader.string("window label")
    for name in ("loss per false alarm", "loss per missed target", "truth match threshold"):
        reader.floating(name)
    start = reader.position
    overlap, covered = _fraction(reader, "suppression overlap"), _fraction(reader, "suppression covered")
    suppression_bytes = (start, reader.position)
    _fraction(reader, "ignore overlap")
    _fraction(reader, "ignore covered")
    if version >= 3 and reader.byte("assume_image_pyramid") != 1:
        raise DatError("a detector without an image pyramid, which is not supported")
    if version >= 4:
        if reader.boolean("use_bounding_box_regression"):
            raise DatError("a detector with bounding box regression, which is not supported")
        reader.floating("bounding box regression lambda")
    return MmodOptions(width, height, overlap, covered, suppression_bytes)


def _fraction(reader: Reader, what: str) -> float:
    value = reader.finite(what)
    if not 0 <= value <= 1:
        raise DatError(f"corrupt before byte {reader.position}, {what}: {value} is not within 0 to 1")
    return value
