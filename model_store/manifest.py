"""Manifests of converted graphs and array files: source, validation, and the detector's parameters.

`python -m conversion` writes the manifest last, so a file without a matching manifest is unusable. The service reads
it by `load`, without the converter.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from model_store.atomic import atomic_file
from model_store.command import command
from model_store.errors import writing
from model_store.models import LANDMARK_POINTS

CONVERTER_VERSION = 7
"""Raised with every change of a graph or of the manifest; graphs of another version are converted again."""

_MAXIMUM_MANIFEST = 1 << 20
"""Bytes; a manifest has less than 2 kB."""


class GraphError(Exception):
    """A converted file is missing, damaged, or of another version or source. The message names the remedy."""


@dataclass(frozen=True)
class Validation:
    """Result of the comparison with a reference before a converted file was written."""

    reference: str
    """'dlib 20.0.1', or 'recorded values of dlib 20.0.1' if dlib could not run; 'the float32 graph' for the scan."""
    inputs: int
    """Number of compared pictures, with photos."""
    photos: int
    """Number of pictures of the user's photos among them."""
    largest_difference: dict[str, float]
    """Largest absolute difference, by name of the compared values."""
    tolerance: dict[str, float]
    """Upper bound of each difference."""


@dataclass(frozen=True)
class DetectorFacts:
    """The detector's parameters outside of its graph: for tiles from pixels, and boxes from scores."""

    window_width: int
    window_height: int
    """Detection window, in pixels of a pyramid level."""
    suppression_overlap: float
    suppression_covered: float
    """The two thresholds of test_box_overlap (dlib/image_processing/box_overlap_testing.h)."""
    mean: tuple[float, float, float]
    """R, G, B, 0 to 255, as float32: subtracted from every pixel before the pyramid is built."""
    padding: int
    outer_padding: int
    """Pixels between the levels of a tile, and around all of them."""
    pyramid_rate: int
    """Scale of a level relative to the one before: (rate - 1) / rate."""
    threshold: float
    """Scores above it are faces (adjust_threshold of loss_mmod_::to_label)."""
    form: tuple[str, ...]
    """Changes of dlib's network for ONNX Runtime; none changes the score of a face."""


@dataclass(frozen=True)
class Manifest:
    """Manifest of one converted file. Its JSON keys are the names of the fields, except "proof" for `validation`."""

    name: str
    """Name of the converted file: see models.py."""
    converter: int
    """CONVERTER_VERSION of the converter."""
    opset: int | None
    """Opset of a graph; None for arrays."""
    source_sha256: str
    """Lower-case hex, of the file of weights."""
    graph_sha256: str
    """Lower-case hex, of the converted file: a graph or arrays."""
    validation: Annotated[Validation, Field(alias="proof")]
    detector: DetectorFacts | None
    """Parameters of the CNN detector; None for any other graph and for arrays."""


_FORMAT = TypeAdapter(Manifest)


def graph_path(store: Path, name: str) -> Path:
    """Path of the converted file: a graph, or the arrays of a landmark predictor."""
    return store / "arrays" / f"{name}.npy" if name in LANDMARK_POINTS else store / "onnx" / f"{name}.onnx"


def manifest_path(store: Path, name: str) -> Path:
    return graph_path(store, name).with_suffix(".json")


def publish(
    store: Path,
    name: str,
    data: bytes,
    *,
    source_sha256: str,
    validation: Validation,
    opset: int | None = None,
    detector: DetectorFacts | None = None,
) -> Manifest:
    """Write the bytes of a converted file, then its manifest.

    Between the two writes an older manifest has another hash than the new file, so that `load` rejects both. Raises
    StorageError.
    """
    manifest = Manifest(
        name=name,
        converter=CONVERTER_VERSION,
        opset=opset,
        source_sha256=source_sha256,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        validation=validation,
        detector=detector,
    )
    with writing(store):
        with atomic_file(graph_path(store, name)) as file:
            file.write(data)
        write(store, manifest)
    return manifest


def write(store: Path, manifest: Manifest) -> None:
    """Write a manifest atomically. The converted file must already be in place."""
    with atomic_file(manifest_path(store, manifest.name)) as file:
        file.write(_FORMAT.dump_json(manifest, indent=2, by_alias=True) + b"\n")


def load(store: Path, name: str, source_sha256: str | None = None) -> Manifest:
    """Read a manifest and check the converted file against it.

    Args:
        store: root of the model store.
        name: name of the converted file.
        source_sha256: required hash of its weights, if given.

    Raises:
        GraphError: with the mismatch, and the command that converts again.
    """
    path = manifest_path(store, name)
    try:
        with path.open("rb") as file:
            manifest = _FORMAT.validate_json(file.read(_MAXIMUM_MANIFEST))
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
            name, f"its converter's version is {manifest.converter}, required is {CONVERTER_VERSION}"
        )
    if manifest.graph_sha256 != graph_sha256:
        raise _unusable(
            name, f"its hash {graph_sha256} is not {manifest.graph_sha256}, the one in {path.name}"
        )
    if source_sha256 not in (None, manifest.source_sha256):
        raise _unusable(
            name, f"it was made from weights of the hash {manifest.source_sha256}, not {source_sha256}"
        )
    return manifest


def is_current(store: Path, name: str, source_sha256: str, on_photos: bool = False) -> bool:
    """True if a usable file from these weights exists, validated on photos too if `on_photos`."""
    try:
        validation = load(store, name, source_sha256).validation
    except GraphError:
        return False
    return validation.photos > 0 or not on_photos


def _unusable(name: str, reason: str) -> GraphError:
    return GraphError(f"no usable graph for {name}: {reason}; run: {command(f'conversion {name}')}")
