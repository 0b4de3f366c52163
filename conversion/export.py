"""Export of one graph: read the weights, build the graph, validate it, write it with its manifest."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conversion.dat.read_network import read_network
from conversion.graphs.builder import OPSET
from conversion.validation import recorded, reference
from conversion.validation.specifications import SPECIFICATIONS, GraphSpecification
from conversion.validation.validate import validate_graph
from model_store import manifest
from model_store.errors import writing
from model_store.manifest import Manifest
from model_store.models import weights_of
from service.recognition.synthetic_pictures import Picture

STEPS = ("reading", "building", "validating", "writing")
Progress = Callable[[str], None]
"""Called with each of STEPS at its start."""


def export(
    store: Path,
    name: str,
    weights: Path,
    photos: Sequence[Picture] = (),
    progress: Progress = lambda step: None,
    specification: GraphSpecification | None = None,
) -> Manifest:
    """Convert one weight file to `<store>/onnx/NAME.onnx` with its manifest.

    An existing graph is replaced only by a validated one.

    Args:
        store: root of the model store.
        name: name of the graph, a key of SPECIFICATIONS.
        weights: the verified file.
        photos: RGB photos for validation, in addition to the synthetic pictures.
        progress: called at the start of each step.
        specification: specification of the graph; by default that of SPECIFICATIONS.

    Raises:
        DatError: the file is of another kind, or corrupt.
        CalibrationError, ValidationFailedError, DlibError: the graph was not validated, and nothing was written.
        StorageError: the store cannot be written.
    """
    specification = specification or SPECIFICATIONS[name]
    progress("reading")
    data = weights.read_bytes()
    network = read_network(data, specification.topology)
    progress("building")
    graph = specification.build(network)
    progress("validating")
    validation = validate_graph(name, specification, graph, weights, network, photos)
    progress("writing")
    return manifest.publish(
        store,
        name,
        graph,
        source_sha256=hashlib.sha256(data).hexdigest(),
        validation=validation,
        opset=OPSET,
        detector=specification.facts(network) if specification.facts else None,
    )


def record(name: str, weights: Path) -> Path:
    """Record dlib's values for a network in this package; return their file.

    Raises DatError, DlibError, and DlibUnavailableError if dlib cannot run.
    """
    specification = SPECIFICATIONS[name]
    network = read_network(weights.read_bytes(), specification.topology)
    version = reference.dlib_version()
    pictures = specification.pictures()
    values = specification.reference_values(weights, network, pictures)
    return recorded.save(weights_of(name), network, pictures, recorded.Record(version, values))


@contextmanager
def conversion_lock(store: Path) -> Iterator[None]:
    """Exclusive lock for conversions, between processes; the kernel releases the lock of a killed one.

    Raises StorageError.
    """
    folder = store / "onnx"
    with ExitStack() as closing:
        with writing(store):
            folder.mkdir(parents=True, exist_ok=True)
            lock = closing.enter_context((folder / ".lock").open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
