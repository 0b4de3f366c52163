"""`python -m model_store`: list, verify, fetch and add weights.

FACE_STORE names the store's folder (default: models).
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from model_store.errors import FetchError, StoreError
from model_store.models import MODELS
from model_store.store import WeightStatus, WeightStore, default_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 1 if a requested weight is missing, corrupt or refused."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    store = WeightStore(default_root())
    run: Callable[[WeightStore, argparse.Namespace], int] = options.run
    try:
        return run(store, options)
    except FetchError as error:
        for name, reason in error.failures.items():
            print(f"error: {name}: {reason}", file=sys.stderr)
    except (StoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; weights that were fetched completely stay", file=sys.stderr)
    return 1


def _list(store: WeightStore, options: argparse.Namespace) -> int:
    names = _names(options)
    statuses = store.status(names)
    for status in statuses:
        weight = status.weight
        print(f"{status.state:9} {weight.name}  {weight.purpose}; licence: {weight.licence}")
        sha256 = f"sha256 {status.sha256}" if status.sha256 else ""
        for line in filter(None, (sha256, status.origin or status.problem, weight.licence_note)):
            print(f"{'':9} {line}")
    return _exit_code(statuses, optional=names is None)


def _verify(store: WeightStore, options: argparse.Namespace) -> int:
    names = _names(options)
    statuses = store.status(names)
    for status in statuses:
        print(f"{status.state:9} {status.sha256 or '-' * 64}  {store.folder / status.weight.file_name}")
    for status in statuses:
        if status.state == "corrupt":
            print(f"error: {status.problem}", file=sys.stderr)
    return _exit_code(statuses, optional=names is None)


def _fetch(store: WeightStore, options: argparse.Namespace) -> int:
    names = _names(options) or store.catalog.downloadable()
    for weight in map(store.catalog.weight, names):
        if weight.licence_note:
            print(f"{weight.name}: {weight.licence}: {weight.licence_note}", file=sys.stderr)
    # tqdm is in the extra `convert`; list and verify work without it.
    from model_store.progress import progress_display

    with progress_display() as progress:
        statuses = store.fetch(names, options.source_folder, progress)
    print(f"{len(statuses)} weights verified in {store.folder}")
    return 0


def _add(store: WeightStore, options: argparse.Namespace) -> int:
    status = store.add(options.file)
    print(f"{status.weight.name}: added to {store.folder}, sha256 {status.sha256} ({status.origin})")
    return 0


def _names(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Requested weights without duplicates; None if none was named."""
    of_models = (name for model in options.model for name in MODELS[model].weights)
    names = (name.removesuffix(".dat") for name in (*options.names, *of_models))
    return tuple(dict.fromkeys(names)) or None


def _exit_code(statuses: list[WeightStatus], optional: bool) -> int:
    """`optional`: no weight was named, so a missing weight that no source has is no error."""
    return 1 if any(status.is_fault(named=not optional) for status in statuses) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_store", description="List, verify, fetch and add weights."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    selection = argparse.ArgumentParser(add_help=False)
    selection.add_argument("names", nargs="*", metavar="NAME", help="weights by name (default: all)")
    selection.add_argument(
        "--model",
        type=int,
        nargs="+",
        default=(),
        choices=sorted(MODELS),
        help="the weights of these FACE_MODELs",
    )

    listing = commands.add_parser(
        "list", parents=[selection], help="state, origin and licence of each weight"
    )
    listing.set_defaults(run=_list)
    verify = commands.add_parser("verify", parents=[selection], help="check every hash")
    verify.set_defaults(run=_verify)
    fetch = commands.add_parser("fetch", parents=[selection], help="get missing or corrupt weights")
    fetch.add_argument(
        "--from",
        dest="source_folder",
        type=Path,
        metavar="FOLDER",
        help="a folder with .dat or .dat.bz2 files, tried first",
    )
    fetch.set_defaults(run=_fetch)
    add = commands.add_parser("add", help="copy a .dat or .dat.bz2 of yours into the store")
    add.add_argument("file", type=Path, metavar="FILE")
    add.set_defaults(run=_add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
