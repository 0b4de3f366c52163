"""Conversion of several weight files under one lock, with a progress bar."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from conversion import landmarks
from conversion.dat.primitives import DatError
from conversion.export import STEPS, conversion_lock, export, record
from conversion.graphs.quantisation import CalibrationError
from conversion.validation.reference import DlibError, DlibUnavailableError
from conversion.validation.specifications import SPECIFICATIONS
from conversion.validation.user_photos import PhotoError, read_photos
from conversion.validation.validate import ValidationFailedError
from model_store import manifest
from model_store.errors import StoreError
from model_store.models import LANDMARK_POINTS, weights_of
from model_store.store import WeightStore
from service.recognition.synthetic_pictures import Picture


class ConversionError(Exception):
    """A conversion failed. One line: the name and the reason."""


def convert(
    store: WeightStore,
    weights: Mapping[str, Path],
    photos: Path | None,
    force: bool,
    required: Collection[str],
) -> None:
    """Convert these weights by name of the converted file, and print a line of figures for each.

    Raises ConversionError; files that were written before remain valid. An approximation that is not `required` and
    fails its validation is no error, but a printed line.
    """
    try:
        pictures = read_photos(photos) if photos else []
        with (
            conversion_lock(store.root),
            tqdm(total=len(weights) * len(STEPS), disable=None, leave=False) as bar,
        ):
            tqdm.write(f"files to convert and validate: {len(weights)} ({len(pictures)} additional photos)")
            for name, file in weights.items():
                # Another process may have converted the file while this process waited for the lock.
                if force or not manifest.is_current(
                    store.root, name, store.sha256(weights_of(name)), bool(pictures)
                ):
                    optional = name not in required
                    tqdm.write(f"{name}: {_convert_one(store.root, name, file, pictures, bar, optional)}")
                else:
                    tqdm.write(f"{name}: up to date")
                    bar.update(len(STEPS))
    except (OSError, PhotoError, StoreError) as error:
        raise ConversionError(str(error)) from error


def _convert_one(
    store: Path, name: str, file: Path, pictures: list[Picture], bar: "tqdm[NoReturn]", optional: bool
) -> str:
    def show(step: str) -> None:
        bar.set_description(f"{name}: {step}")
        bar.update()

    try:
        export_file = landmarks.export if name in LANDMARK_POINTS else export
        validation = export_file(store, name, file, pictures, show).validation
    except (DatError, ValidationFailedError, CalibrationError, DlibError) as error:
        specification = SPECIFICATIONS.get(name)
        if optional and specification and specification.approximation:
            return f"not converted: {error}; without it, FACE_PRECISION=auto computes in float32"
        raise ConversionError(f"{name} was not converted: {error}") from error
    differences = validation.largest_difference.items()
    figures = ", ".join(f"{values} {largest:.1e}" for values, largest in differences)
    return f"largest difference from {validation.reference} on {validation.inputs} pictures: {figures}"


def record_reference_values(weights: Mapping[str, Path]) -> None:
    """Record dlib's values for these weights in this package. Raises ConversionError."""
    for name, file in weights.items():
        try:
            record_values = landmarks.record if name in LANDMARK_POINTS else record
            print(f"{name}: recorded in {record_values(name, file)}")
        except (DatError, DlibError, DlibUnavailableError, OSError) as error:
            raise ConversionError(f"nothing was recorded for {name}: {error}") from error
