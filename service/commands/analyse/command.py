"""The command `analyse`: the faces of photos as JSON lines."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from service import machine
from service.commands.shared import loading, photo_files, progress
from service.commands.shared.group import examples

MAXIMUM_WORKERS = 256


@click.command(
    "analyse",
    epilog=examples(
        [
            "face-model analyse photo.jpg | jq '.\"faces-count\"'",
            "face-model analyse ~/Pictures > faces.jsonl",
            "face-model analyse ~/Pictures --draw /tmp/faces --workers 2 > faces.jsonl",
        ]
    ),
)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER..."
)
@click.option(
    "--draw",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write copies with boxes, landmarks and confidences to this folder.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAXIMUM_WORKERS),
    metavar="N",
    help="Photos at a time; by default as in the service (GUNICORN_WORKERS).",
)
def command(paths: Sequence[Path], draw: Path | None, workers: int | None) -> int:
    """Print the faces of photos as JSON lines.

    Each line is the answer of `/detect`, with the path as `filename`. Photos in folders, and below, are found by their
    endings. A photo that fails has a line with `error`; the others go on, and the status is 1 at the end.

    No service needs to run. Photos are analysed at their own size, and decoded in this process, without the service's
    sandbox. In annotated copies, faces that the app does not group are orange.
    """
    configuration = loading.settings_with_warnings()
    machine.require(configuration)
    found = [*photo_files.find(paths)]
    # Imported last: it loads numpy, which crashes on a processor without the instructions that it needs.
    from service.commands.analyse import analysis

    failed = 0
    lines = analysis.analyse(configuration, found, draw, workers)
    with progress.photos(len(found)) as advance, closing(lines):
        for line in lines:
            print(line.text, flush=True)
            failed += line.failed
            advance()
    if failed:
        print(f'{failed} of {len(found)} photos failed: see the lines with "error".', file=sys.stderr)
    return 1 if failed else 0
