"""The manifest beside a converted graph or array file: where it comes from, what proves it, what a caller has to know.

`python -m conversion` writes it last, so a file without a manifest that fits counts for nothing. The service reads it
through `load`, and needs nothing of the converter for that.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from model_store.atomic import atomic_file
from model_store.command import command
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS

CONVERTER_VERSION = 4
"""Raised with every change of a graph or of what this manifest says: graphs of another version are made anew."""

_LARGEST_MANIFEST = 1 << 20
"""Bytes; a manifest is well under 2 kB."""


class GraphError(Exception):
    """A converted graph that is missing, damaged, or of another version or source. Says what to do."""


@dataclass(frozen=True)
class Proof:
    """How a graph was compared with dlib before it was written."""

    reference: str
    """'dlib 20.0.1', or 'recorded vectors of dlib 20.0.1' where dlib could not run."""
    inputs: int
    """Pictures that were compared, photos included."""
    photos: int
    """Of them, photos that the user named."""
    largest_difference: dict[str, float]
    """By what was compared: the largest absolute difference of a value."""
    tolerance: dict[str, float]
    """The bound that each had to stay within."""


@dataclass(frozen=True)
class DetectorFacts:
    """What turns the detector's score map into boxes, and pixels into its tile."""

    window_width: int
    window_height: int
    """Pixels of a pyramid level."""
    suppression_overlap: float
    suppression_covered: float
    """The two thresholds of test_box_overlap (dlib/image_processing/box_overlap_testing.h)."""
    mean: tuple[float, float, float]
    """R, G, B, 0 to 255, as float32: taken off every pixel before the pyramid is made."""
    padding: int
    outer_padding: int
    """Pixels between the levels of a tile, and around them."""
    pyramid_rate: int
    """Each level is (rate - 1) / rate of the one before."""
    threshold: float
    """Scores above it are faces (adjust_threshold of loss_mmod_::to_label)."""
    form: tuple[str, ...]
    """What was done to dlib's network for the runtime's sake; no score of a face changes by it."""


@dataclass(frozen=True)
class Manifest:
    name: str
    """Catalogue name of the weights."""
    converter: int
    opset: int | None
    """Of a graph only."""
    source_sha256: str
    graph_sha256: str
    proof: Proof
    detector: DetectorFacts | None
    """Of the CNN detector only."""


_FORMAT = TypeAdapter(Manifest)


_ARRAYS = frozenset((FIVE_POINTS, SIXTY_EIGHT_POINTS))
"""What is converted to arrays: all else are networks, and become graphs."""


def graph_path(store: Path, name: str) -> Path:
    """The converted file: a graph, or the arrays of a landmark predictor."""
    return store / "arrays" / f"{name}.npy" if name in _ARRAYS else store / "onnx" / f"{name}.onnx"


def manifest_path(store: Path, name: str) -> Path:
    return graph_path(store, name).with_suffix(".json")


def write(store: Path, manifest: Manifest) -> None:
    """Publish a manifest, whole or not at all. The graph must already stand beside it."""
    with atomic_file(manifest_path(store, manifest.name)) as file:
        file.write(_FORMAT.dump_json(manifest, indent=2) + b"\n")


def load(store: Path, name: str, source_sha256: str | None = None) -> Manifest:
    """Read the manifest of a graph and check the graph against it: after this, `graph_path` is good to use.

    Args:
        store: the model store's root.
        name: catalogue name of the weights.
        source_sha256: if given, the graph must have been made from the weights of that hash.

    Raises:
        GraphError: naming what does not fit, and the command that makes it anew.
    """
    path = manifest_path(store, name)
    try:
        with path.open("rb") as file:
            manifest = _FORMAT.validate_json(file.read(_LARGEST_MANIFEST))
        with graph_path(store, name).open("rb") as graph:
            graph_sha256 = hashlib.file_digest(graph, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise _unusable(name, f"{error.filename} is missing") from None
    except OSError as error:
        raise _unusable(name, f"{error.filename} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        reason = error.errors()[0]
        place = ".".join(str(part) for part in reason["loc"])
        raise _unusable(name, f"{path} is damaged: {place} {reason['msg']}") from None

    if manifest.name != name:
        raise _unusable(name, f"{path} belongs to {manifest.name}")
    if manifest.converter != CONVERTER_VERSION:
        raise _unusable(
            name, f"its converter's version is {manifest.converter}, needed is {CONVERTER_VERSION}"
        )
    if manifest.graph_sha256 != graph_sha256:
        raise _unusable(
            name, f"its hash {graph_sha256} is not {manifest.graph_sha256}, which {path.name} names"
        )
    if source_sha256 not in (None, manifest.source_sha256):
        raise _unusable(
            name, f"it was made from weights of the hash {manifest.source_sha256}, not {source_sha256}"
        )
    return manifest


def is_current(store: Path, name: str, source_sha256: str, on_photos: bool = False) -> bool:
    """Whether a graph made from the weights of this hash stands, and was proven on photos if that is asked for."""
    try:
        proof = load(store, name, source_sha256).proof
    except GraphError:
        return False
    return proof.photos > 0 or not on_photos


def _unusable(name: str, reason: str) -> GraphError:
    return GraphError(f"no usable graph for {name}: {reason}; run: {command(f'conversion {name}')}")
