"""The conversions of one command, one after the other, with their progress shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from conversion import landmarks
from conversion.dat.primitives import DatError
from conversion.export import STEPS, alone, export, record
from conversion.validation.photos import PhotoError, read_photos
from conversion.validation.pictures import Picture
from conversion.validation.reference import DlibError, DlibUnavailableError
from conversion.validation.validate import ProofError
from model_store import manifest
from model_store.errors import StoreError
from model_store.models import weights_of
from model_store.store import WeightStore


class ConversionError(Exception):
    """What went wrong with which weights, in one line."""


def convert(store: WeightStore, weights: Mapping[str, Path], photos: Path | None, force: bool) -> None:
    """Convert these weights, one line of figures each. What was written before a ConversionError is good."""
    try:
        pictures = read_photos(photos) if photos else []
        with alone(store.root), tqdm(total=len(weights) * len(STEPS), disable=None, leave=False) as bar:
            for name, file in weights.items():
                # Another process may have converted it while this one waited.
                if force or not manifest.is_current(
                    store.root, name, store.sha256(weights_of(name)), bool(pictures)
                ):
                    tqdm.write(
                        f"{name}: converting, and comparing with dlib ({len(pictures)} photos besides)"
                    )
                    tqdm.write(f"{name}: {_convert_one(store.root, name, file, pictures, bar)}")
                else:
                    tqdm.write(f"{name}: up to date")
                    bar.update(len(STEPS))
    except (PhotoError, StoreError, OSError) as error:
        raise ConversionError(str(error)) from error


def _convert_one(store: Path, name: str, file: Path, pictures: list[Picture], bar: "tqdm[NoReturn]") -> str:
    def show(step: str) -> None:
        bar.set_description(f"{name}: {step}")
        bar.update()

    try:
        convert_it = landmarks.export if name in landmarks.POINTS else export
        proof = convert_it(store, name, file, pictures, show).proof
    except (DatError, ProofError, DlibError) as error:
        raise ConversionError(f"{name} was not converted: {error}") from error
    figures = ", ".join(f"{values} {largest:.1e}" for values, largest in proof.largest_difference.items())
    return f"converted; largest difference from {proof.reference} on {proof.inputs} pictures: {figures}"


def record_vectors(weights: Mapping[str, Path]) -> None:
    """Record dlib's values for these weights. Raises ConversionError."""
    for name, file in weights.items():
        try:
            record_it = landmarks.record if name in landmarks.POINTS else record
            print(f"{name}: recorded in {record_it(name, file)}")
        except (DatError, DlibError, DlibUnavailableError, OSError) as error:
            raise ConversionError(f"nothing was recorded for {name}: {error}") from error
