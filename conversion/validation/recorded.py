"""What dlib gave for the pictures that every graph is proven on, kept for machines on which dlib cannot run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from conversion.validation.pictures import Picture, fingerprint
from conversion.validation.proofs import Values
from model_store.atomic import atomic_file

FOLDER = Path(__file__).with_name("reference_values")
_VALUE = "value_"
"""Before the name of an array of values, beside the three that say what they belong to."""


class Weights(Protocol):
    """What vectors are recorded of."""

    def fingerprint(self) -> str:
        """A sha256 in hex, another one for every training."""


class NoRecordError(Exception):
    """There are no vectors for these weights and pictures."""


@dataclass(frozen=True)
class Record:
    dlib: str
    """Version of the dlib that gave the values."""
    values: Values


def load(name: str, network: Weights, pictures: Sequence[Picture], folder: Path = FOLDER) -> Record:
    """The vectors for a catalogue name, if they belong to just this network and these pictures.

    Raises NoRecordError.
    """
    path = _path(folder, name, network)
    if not path.exists():
        raise NoRecordError(f"no vectors are recorded for these weights of {name}: {path.name} is missing")
    with np.load(path) as arrays:
        for what, found in (("network", network.fingerprint()), ("pictures", fingerprint(pictures))):
            if str(arrays[what]) != found:
                raise NoRecordError(
                    f"the vectors recorded in {path.name} are of other {what} ({arrays[what]}, here {found})"
                )
        values = {key.removeprefix(_VALUE): arrays[key] for key in arrays.files if key.startswith(_VALUE)}
        return Record(str(arrays["dlib"]), values)


def save(
    name: str, network: Weights, pictures: Sequence[Picture], record: Record, folder: Path = FOLDER
) -> Path:
    """Publish the vectors for a catalogue name and return their file."""
    path = _path(folder, name, network)
    arrays: dict[str, Any] = {_VALUE + key: value for key, value in record.values.items()}
    with atomic_file(path) as file:
        np.savez_compressed(
            file,
            dlib=np.array(record.dlib),
            network=np.array(network.fingerprint()),
            pictures=np.array(fingerprint(pictures)),
            **arrays,
        )
    return path


def _path(folder: Path, name: str, network: Weights) -> Path:
    """One file for each training of a network: the detector has two that are in use."""
    return folder / f"{name}-{network.fingerprint()[:12]}.npz"
