"""The command line: python -m conversion [NAME ...] converts the weights that are in the store."""

import argparse
import os
import sys
from pathlib import Path

from model_store import manifest
from model_store.command import command
from model_store.errors import StoreError
from model_store.models import (
    CNN_DETECTOR,
    DEVICE_DETECTOR,
    DLIB_RESNET,
    FIVE_POINTS,
    MODELS,
    RESCORED_DETECTOR,
    SIXTY_EIGHT_POINTS,
    TAGUCHI_RESNET,
    weights_of,
)
from model_store.store import WeightStore

CONVERTIBLE = (
    CNN_DETECTOR,
    DEVICE_DETECTOR,
    RESCORED_DETECTOR,
    FIVE_POINTS,
    SIXTY_EIGHT_POINTS,
    DLIB_RESNET,
    TAGUCHI_RESNET,
)
"""Keys of `validation.specifications.GRAPHS` and `landmarks.POINTS`, which are imported only if there is work to do."""


def main(arguments: list[str] | None = None) -> int:
    """Convert what is asked for and return the exit status; errors are one line on stderr."""
    asked = _parser().parse_args(arguments)
    store = WeightStore(asked.store)
    if asked.photos is not None and not asked.photos.is_dir():
        return _failed(f"{asked.photos} is no folder of photos")
    try:
        names = _names(asked, store)
        weights = {name: store.path(weights_of(name)) for name in names}
        stale = [
            name
            for name in names
            if asked.force
            or asked.record
            or not manifest.is_current(
                store.root, name, store.sha256(weights_of(name)), asked.photos is not None
            )
        ]
    except StoreError as error:
        return _failed(str(error))
    for name in names:
        if name not in stale:
            print(f"{name}: up to date")
    if not stale:
        return 0

    # From here on onnx and onnxruntime are needed, which take longer to import than the check above.
    from conversion.work import ConversionError, convert, record_vectors

    try:
        if asked.record:
            record_vectors({weights_of(name): weights[name] for name in stale})
        else:
            convert(store, {name: weights[name] for name in stale}, asked.photos, asked.force)
    except ConversionError as error:
        return _failed(str(error))
    return 0


def _names(asked: argparse.Namespace, store: WeightStore) -> list[str]:
    """What is asked for; with no wish, all whose weights are there. Raises StoreError."""
    if asked.model:
        return [
            name
            for name in CONVERTIBLE
            if weights_of(name) in MODELS[asked.model].weights and (asked.device or name == weights_of(name))
        ]
    unknown = [name for name in asked.names if name not in CONVERTIBLE]
    if unknown:
        raise StoreError(f"{unknown[0]} is nothing to convert; there are {', '.join(CONVERTIBLE)}")
    if asked.names:
        return list(dict.fromkeys(asked.names))
    weights = dict.fromkeys(map(weights_of, CONVERTIBLE))
    present = [status.weight.name for status in store.status(weights) if status.state != "missing"]
    if not present:
        raise StoreError(f"no weights are in {store.folder}; run: {command('model_store fetch')}")
    return [name for name in CONVERTIBLE if weights_of(name) in present]


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conversion",
        description="Convert dlib's networks to ONNX and its landmark predictors to arrays, each proven against dlib. "
        "Fetches nothing.",
    )
    wish = parser.add_mutually_exclusive_group()
    wish.add_argument("names", nargs="*", metavar="NAME", default=[], help=", ".join(CONVERTIBLE))
    wish.add_argument("--model", type=int, choices=sorted(MODELS), help="what this FACE_MODEL needs")
    parser.add_argument("--device", action="store_true", help="with --model: what it needs on a GPU, too")
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("FACE_STORE") or "models"),
        help="default: FACE_STORE",
    )
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="prove the graphs on these photos too (needs dlib)"
    )
    parser.add_argument("--force", action="store_true", help="convert even what is up to date")
    parser.add_argument(
        "--record",
        action="store_true",
        help="record dlib's values into this package, for machines without dlib",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
