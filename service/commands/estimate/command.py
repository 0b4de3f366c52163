"""The command `estimate`: the time for a library of photos, and the gain of each change."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from service.commands.estimate import running
from service.commands.estimate.forecast import Forecast
from service.commands.shared import client, loading, machine, output, photo_files
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.settings import Settings

MEGAPIXELS = 1.2
"""Default area of a sample's photos: the app's photo size in docs/guide/nextcloud.md that finds faces in groups."""
LARGEST_MEGAPIXELS = 256.0
HOURS_OF_DAYS = 48
"""Hours from which on a time is given in days."""


@click.command(
    "estimate",
    epilog=examples(
        [
            "face-model estimate --photos 40000",
            "face-model estimate --photos 40000 ~/Pictures",
            "face-model estimate --photos 40000 --megapixels 4 ~/Pictures --json | jq .hours",
        ]
    ),
)
@click.argument(
    "sample", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[FILE_OR_FOLDER...]"
)
@click.option(
    "--photos", type=click.IntRange(1), required=True, metavar="N", help="Number of photos of the library."
)
@click.option(
    "--megapixels",
    type=click.FloatRange(0, LARGEST_MEGAPIXELS, min_open=True),
    metavar="M",
    help=f"Photo size to which the app scales, for a sample; by default {MEGAPIXELS}.",
)
@client.url_option
@output.as_json
def command(
    sample: Sequence[Path], photos: int, megapixels: float | None, url: str | None, as_json: bool
) -> int:
    """Estimate the time for a library of photos.

    Without a sample, a running service answers from the photos of its last minutes, with the pauses of the app between
    them. With a sample, the recogniser computes up to 40 of its photos for half a minute, on this machine and without
    a service: Nextcloud's own work is not in that.
    """
    configuration = loading.settings_with_warnings()
    if not sample and megapixels is not None:
        raise click.UsageError("--megapixels needs a sample: a running service has the photos of the app.")
    if sample and url is not None:
        raise click.UsageError("a sample is computed without a service: leave out --url or the sample.")
    found = (
        _measured(configuration, sample, megapixels or MEGAPIXELS, photos)
        if sample
        else running.forecast(client.service_at(url, configuration), photos)
    )
    if as_json:
        output.print_json(found.as_json())
    else:
        print(
            f"{found.photos:,} photos: {duration(found.hours)}, at {found.photos_per_minute:,.0f} a minute "
            f"({found.sample} photos of {found.megapixels:.1f} megapixels, {found.origin})"
        )
        output.print_table(["Change", "Time", "Figure"], _rows(found))
    return 0


def duration(hours: float) -> str:
    """A time in minutes, hours or days, with two digits."""
    if hours < 1:
        minutes = max(round(60 * hours), 1)
        return f"{minutes} minute{'s' * (minutes > 1)}"
    if hours < HOURS_OF_DAYS:
        return f"{hours:.1f} hours"
    return f"{hours / 24:.1f} days"


def _rows(found: Forecast) -> Iterator[tuple[str, str, str]]:
    for option in found.options:
        yield option.change, duration(option.hours), option.source


def _measured(configuration: Settings, paths: Sequence[Path], megapixels: float, photos: int) -> Forecast:
    machine.require(configuration)
    found = [photo.path for photo in photo_files.find(paths) if photo.fault is None]
    if not found:
        raise CommandError("There is no photo in the sample: name a folder with photos.")
    # Imported last: it loads numpy, which crashes on a processor without the instructions that it needs.
    from service.commands.estimate import measurement

    return measurement.forecast(configuration, found, megapixels, photos)
