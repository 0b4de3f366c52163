"""Validation of a graph: its ports are those of its specification, its values dlib's or the float32 graph's."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from conversion.dat.read_network import Network
from conversion.graphs.builder import Port
from conversion.validation import recorded, reference
from conversion.validation.comparisons import Values
from conversion.validation.specifications import GraphSpecification
from model_store.manifest import Validation
from model_store.models import weights_of
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture


class ValidationFailedError(Exception):
    """Base class: an export did not pass, and is not written."""


class NameMismatchError(ValidationFailedError):
    """Names or number of inputs or outputs differ from the specification."""


class ShapeMismatchError(ValidationFailedError):
    """Type or shape of an input or output differs from the specification."""


class ValueMismatchError(ValidationFailedError):
    """Values differ from those of the reference by more than the tolerance."""


class NoReferenceError(ValidationFailedError):
    """Dlib cannot run here, and there are no recorded values."""


def validate_graph(
    name: str,
    specification: GraphSpecification,
    graph: bytes,
    weights: Path,
    network: Network,
    photos: Sequence[Picture] = (),
) -> Validation:
    """Compare a graph with dlib, or with recorded values of dlib if it cannot run; or with the float32 graph.

    Args:
        name: name of the graph.
        specification: specification of the graph.
        graph: serialised ONNX model.
        weights: file for dlib.
        network: read from that file.
        photos: photos of the user, RGB; a comparison with dlib needs dlib itself for them.

    Raises:
        ValidationFailedError: one of its subclasses.
        DlibError: dlib does not load or run these weights.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    check_ports(session, specification)
    pictures = specification.pictures()
    of_photos: list[Picture] = []

    def with_photos() -> list[Picture]:
        of_photos.extend(picture for photo in photos for picture in specification.pictures_of_photo(photo))
        return [*pictures, *of_photos]

    if specification.approximation:
        source = "the float32 graph"
        expected, computed = specification.approximation(session, network, with_photos())
    else:
        run_dlib = partial(specification.reference_values, weights, network)
        source, expected = dlib_values(lambda: run_dlib(with_photos()), name, network, pictures, photos)
        computed = specification.graph_values(session, network, [*pictures, *of_photos])
    tolerance = dict(specification.tolerance)
    differences = compare(expected, computed, tolerance, source)
    return Validation(source, len(pictures) + len(of_photos), len(of_photos), differences, tolerance)


def dlib_values(
    run_dlib: Callable[[], Values],
    name: str,
    weights: recorded.Weights,
    pictures: Sequence[Picture],
    photos: Sequence[Picture],
) -> tuple[str, Values]:
    """Dlib's values, or recorded values if dlib cannot run; with their source for the manifest.

    Args:
        run_dlib: computes the values by dlib.
        name, weights, pictures: keys of recorded values.
        photos: photos of the user, for which no values are recorded.

    Raises:
        NoReferenceError: dlib cannot run, and there are photos, or no recorded values.
        DlibError: dlib does not load or run these weights.
    """
    try:
        return f"dlib {reference.dlib_version()}", run_dlib()
    except reference.DlibUnavailableError as unavailable:
        if photos:
            raise NoReferenceError(f"photos can be compared with dlib only, and {unavailable}") from None
        try:
            record = recorded.load(weights_of(name), weights, pictures)
        except recorded.NoRecordError as missing:
            raise NoReferenceError(f"{unavailable}; {missing}") from None
        return f"recorded values of dlib {record.dlib}", record.values


def check_ports(session: onnxruntime.InferenceSession, specification: GraphSpecification) -> None:
    """Raise NameMismatchError or ShapeMismatchError if the graph's ports differ from the specification."""
    for kind, nodes, ports in (
        ("input", session.get_inputs(), specification.inputs),
        ("output", session.get_outputs(), specification.outputs),
    ):
        names, specified = [node.name for node in nodes], [port.name for port in ports]
        if names != specified:
            raise NameMismatchError(f"the graph's {kind}s are {names}, specified as {specified}")
        for node, port in zip(nodes, ports, strict=True):
            found = Port(node.name, node.type, tuple(node.shape))
            if found != port:
                raise ShapeMismatchError(
                    f"the {kind} {port.name!r} is {found.type} {found.shape}, "
                    f"specified as {port.type} {port.shape}"
                )


def compare(
    expected: Values, computed: Values, tolerance: Mapping[str, float], source: str = "dlib"
) -> dict[str, float]:
    """Largest absolute difference of each array from the expected one, which `source` computed.

    Raises ValueMismatchError if one is above its tolerance, or if the shapes differ, such as by an additional face.
    """
    differences = {}
    for name, allowed in tolerance.items():
        reference_values, values = expected[name], computed[name]
        if reference_values.size == 0:
            raise ValueMismatchError(f"{name}: {source} gave no value for comparison")
        if reference_values.shape != values.shape:
            raise ValueMismatchError(
                f"{name}: the graph gives {values.shape} values, {source} {reference_values.shape}"
            )
        difference = np.abs(values.astype(np.float64) - reference_values.astype(np.float64))
        worst = float(difference.max())
        if not worst <= allowed:  # a NaN fails too
            place = np.unravel_index(int(difference.argmax()), difference.shape)
            raise ValueMismatchError(
                f"{name}: {worst:.3g} away from {source}, {allowed:g} is allowed "
                f"(at {tuple(int(index) for index in place)}: {values[place]}, {source} {reference_values[place]})"
            )
        differences[name] = worst
    return differences
