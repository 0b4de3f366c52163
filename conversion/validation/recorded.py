"""Recorded values of dlib for the synthetic pictures, for validation on machines without dlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from conversion.validation.comparisons import Values
from conversion.validation.pictures import fingerprint
from model_store.atomic import atomic_file
from service.recognition.synthetic_pictures import Picture

FOLDER = Path(__file__).with_name("reference_values")
_VALUE = "value_"
"""Prefix of the names of value arrays in a file; three more arrays identify dlib, the network and the pictures."""


class Weights(Protocol):
    """Weights with an identity, for which values are recorded."""

    def fingerprint(self) -> str:
        """sha256 in hex, a different one for every training."""


class NoRecordError(Exception):
    """No values are recorded for these weights and pictures."""


@dataclass(frozen=True)
class Record:
    dlib: str
    """Version of the dlib that computed the values."""
    values: Values


def load(name: str, network: Weights, pictures: Sequence[Picture], folder: Path = FOLDER) -> Record:
    """Recorded values for a catalogue name. Raises NoRecordError if none belong to this network and these pictures."""
    path = _path(folder, name, network)
    if not path.exists():
        raise NoRecordError(f"no values are recorded for these weights of {name}: {path.name} is missing")
    with np.load(path) as arrays:
        for what, found in (("network", network.fingerprint()), ("pictures", fingerprint(pictures))):
            if str(arrays[what]) != found:
                raise NoRecordError(
                    f"the values recorded in {path.name} are of other {what} ({arrays[what]}, here {found})"
                )
        values = {key.removeprefix(_VALUE): arrays[key] for key in arrays.files if key.startswith(_VALUE)}
        return Record(str(arrays["dlib"]), values)


def save(
    name: str, network: Weights, pictures: Sequence[Picture], record: Record, folder: Path = FOLDER
) -> Path:
    """Write the values for a catalogue name and return their file."""
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
    """One file per training of a network: the detector has two in use."""
    return folder / f"{name}-{network.fingerprint()[:12]}.npz"
