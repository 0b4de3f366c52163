"""The proof of a graph: its ports are as described, and its values are dlib's. What fails here is never written."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from conversion.dat.read_network import Network
from conversion.graphs.builder import Port
from conversion.validation import recorded, reference
from conversion.validation.pictures import Picture
from conversion.validation.proofs import Values
from conversion.validation.specifications import GraphDescription
from model_store.manifest import Proof
from model_store.models import weights_of
from service.recognition.ort.runtime import onnxruntime


class ProofError(Exception):
    """A graph that is not proven right."""


class NameMismatchError(ProofError):
    """An input or output of another name, or too many or too few of them."""


class ShapeMismatchError(ProofError):
    """An input or output of another type or shape."""


class ValueMismatchError(ProofError):
    """Values that are further from dlib's than the graph's description allows."""


class NoReferenceError(ProofError):
    """Nothing to compare with: dlib cannot run here, and there are no recorded vectors."""


def prove(
    name: str,
    description: GraphDescription,
    graph: bytes,
    weights: Path,
    network: Network,
    photos: Sequence[Picture] = (),
) -> Proof:
    """Compare a graph with dlib, or with what dlib gave earlier where it cannot run.

    Args:
        name: catalogue name of the weights, by which vectors are recorded.
        description: what the graph has to be.
        graph: the serialised ONNX model.
        weights: the file that dlib loads.
        network: what was read from that file.
        photos: pictures to compare besides, RGB; they need dlib itself.

    Raises:
        ProofError: one of its kinds above.
        DlibError: dlib does not load or run these weights.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    check_ports(session, description)
    pictures = description.pictures()
    of_photos: list[Picture] = []

    def ask() -> Values:
        of_photos.extend(picture for photo in photos for picture in description.from_photo(photo))
        return description.expected(weights, network, [*pictures, *of_photos])

    against, expected = dlibs_values(ask, name, network, pictures, photos)
    pictures += of_photos
    computed = description.computed(session, network, pictures)
    differences = compare(expected, computed, description.tolerance)
    return Proof(against, len(pictures), len(of_photos), differences, dict(description.tolerance))


def dlibs_values(
    ask: Callable[[], Values],
    name: str,
    source: recorded.Weights,
    pictures: Sequence[Picture],
    photos: Sequence[Picture],
) -> tuple[str, Values]:
    """What dlib gives, or gave earlier where it cannot run; the first of the two says which.

    Args:
        ask: asks dlib itself.
        name, source, pictures: what vectors are recorded by.
        photos: pictures to compare besides, of which no vectors can be recorded.

    Raises:
        NoReferenceError: dlib cannot run, and there are photos or no vectors.
        DlibError: dlib does not load or run these weights.
    """
    try:
        return f"dlib {reference.dlib_version()}", ask()
    except reference.DlibUnavailableError as unavailable:
        if photos:
            raise NoReferenceError(f"photos can be compared with dlib only, and {unavailable}") from None
        try:
            record = recorded.load(weights_of(name), source, pictures)
        except recorded.NoRecordError as missing:
            raise NoReferenceError(f"{unavailable}; {missing}") from None
        return f"recorded vectors of dlib {record.dlib}", record.values


def check_ports(session: onnxruntime.InferenceSession, description: GraphDescription) -> None:
    """Raise NameMismatchError or ShapeMismatchError where the graph's ports are not the described ones."""
    for kind, nodes, ports in (
        ("input", session.get_inputs(), description.given),
        ("output", session.get_outputs(), description.made),
    ):
        names, described = [node.name for node in nodes], [port.name for port in ports]
        if names != described:
            raise NameMismatchError(f"the graph's {kind}s are {names}, where {described} were described")
        for node, port in zip(nodes, ports, strict=True):
            found = Port(node.name, node.type, tuple(node.shape))
            if found != port:
                raise ShapeMismatchError(
                    f"the {kind} {port.name!r} is {found.type} {found.shape}, "
                    f"described as {port.type} {port.shape}"
                )


def compare(expected: Values, computed: Values, tolerance: Mapping[str, float]) -> dict[str, float]:
    """The largest absolute difference of each array.

    Raises ValueMismatchError where one is above its tolerance, or where there are not as many values, such as a
    face more.
    """
    differences = {}
    for name, allowed in tolerance.items():
        dlibs, ours = expected[name], computed[name]
        if dlibs.size == 0:
            raise ValueMismatchError(f"{name}: dlib gave no value to compare with")
        if dlibs.shape != ours.shape:
            raise ValueMismatchError(f"{name}: the graph gives {ours.shape} values, dlib {dlibs.shape}")
        difference = np.abs(ours.astype(np.float64) - dlibs.astype(np.float64))
        worst = float(difference.max())
        if not worst <= allowed:  # so that a NaN fails too
            place = np.unravel_index(int(difference.argmax()), difference.shape)
            raise ValueMismatchError(
                f"{name}: {worst:.3g} away from dlib, {allowed:g} is allowed "
                f"(at {tuple(int(index) for index in place)}: {ours[place]}, dlib {dlibs[place]})"
            )
        differences[name] = worst
    return differences
