"""One conversion from front to back: read the weights, build the graph, prove it, write it, write its manifest."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conversion.dat.read_network import read_network
from conversion.graphs.builder import OPSET
from conversion.validation import recorded, reference
from conversion.validation.pictures import Picture
from conversion.validation.specifications import GRAPHS, GraphDescription
from conversion.validation.validate import prove
from model_store import manifest
from model_store.atomic import atomic_file
from model_store.manifest import Manifest
from model_store.models import weights_of

STEPS = ("reading", "building", "proving", "writing")
Progress = Callable[[str], None]
"""Called with each of STEPS as it begins."""


def export(
    store: Path,
    name: str,
    weights: Path,
    photos: Sequence[Picture] = (),
    progress: Progress = lambda step: None,
    description: GraphDescription | None = None,
) -> Manifest:
    """Convert one weight file and publish `<store>/onnx/NAME.onnx`, then its manifest.

    An existing graph is replaced only by a proven one. Between the two renames the old manifest stands beside the
    new graph: their hashes differ, so that a reader takes neither.

    Args:
        store: the model store's root.
        name: catalogue name of the weights, a key of GRAPHS.
        weights: the file, already verified.
        photos: RGB pictures to prove the graph on besides the drawn ones.
        progress: told of each step.
        description: what to build, by default what GRAPHS has for that name.

    Raises:
        DatError: the file is not the network it should be.
        ProofError, DlibError: the graph was not proven; nothing was written.
        OSError: the store cannot be written.
    """
    description = description or GRAPHS[name]
    progress("reading")
    data = weights.read_bytes()
    network = read_network(data, description.topology)
    progress("building")
    graph = description.build(network)
    progress("proving")
    proof = prove(name, description, graph, weights, network, photos)
    progress("writing")
    written = Manifest(
        name=name,
        converter=manifest.CONVERTER_VERSION,
        opset=OPSET,
        source_sha256=hashlib.sha256(data).hexdigest(),
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        proof=proof,
        detector=description.facts(network) if description.facts else None,
    )
    with atomic_file(manifest.graph_path(store, name)) as file:
        file.write(graph)
    manifest.write(store, written)
    return written


def record(name: str, weights: Path) -> Path:
    """Ask dlib for the vectors of a network, and keep them in this package; return their file.

    Raises DatError, DlibError, and DlibUnavailableError where dlib cannot run.
    """
    description = GRAPHS[name]
    network = read_network(weights.read_bytes(), description.topology)
    version = reference.dlib_version()
    pictures = description.pictures()
    values = description.expected(weights, network, pictures)
    return recorded.save(weights_of(name), network, pictures, recorded.Record(version, values))


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Wait until no other process converts into this store. A killed process leaves no lock behind."""
    folder = store / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
