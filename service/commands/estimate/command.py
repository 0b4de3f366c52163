"""The command `estimate`: the time for a library of photos, and the gain of each change."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from service import machine
from service.commands.estimate import running
from service.commands.estimate.forecast import Forecast
from service.commands.estimate.several import Several
from service.commands.shared import client, loading, output, photo_files
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.estimate.resources import GIGABIT, Site
from service.settings import Settings
from service.wording import duration

MEGAPIXELS = 1.2
"""Default area of a sample's photos: the app's photo size in docs/guide/nextcloud.md that finds faces in groups."""
LARGEST_MEGAPIXELS = 256.0


@click.command(
    "estimate",
    epilog=examples(
        [
            "face-model estimate --photos 40000",
            "face-model estimate --photos 40000 ~/Pictures",
            "face-model estimate --photos 40000 --megapixels 4 ~/Pictures --json | jq .hours",
            "face-model estimate --photos 5000000 --replicas 8 --nextcloud-cores 16",
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
@click.option(
    "--replicas",
    type=click.IntRange(1),
    metavar="R",
    help="Number of replicas like this one behind a proxy: also their time, and the next bottleneck.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="W",
    help="Workers of the app, with --replicas; by default as many as the replicas need.",
)
@click.option(
    "--nextcloud-cores",
    type=click.IntRange(1),
    metavar="C",
    help="Cores on which Nextcloud prepares photos, with --replicas; by default not known.",
)
@click.option(
    "--network",
    type=click.FloatRange(0, min_open=True),
    metavar="MBIT",
    help=f"Link from Nextcloud to the proxy in Mbit/s, with --replicas; by default {GIGABIT:g}.",
)
@client.url_option
@output.as_json
def command(
    sample: Sequence[Path],
    photos: int,
    megapixels: float | None,
    replicas: int | None,
    workers: int | None,
    nextcloud_cores: int | None,
    network: float | None,
    url: str | None,
    as_json: bool,
) -> int:
    """Estimate the time for a library of photos.

    Without a sample, a running service answers from the photos of its last minutes, with the pauses of the app between
    them. With a sample, the recogniser computes up to 40 of its photos for half a minute, on this machine and without
    a service: Nextcloud's own work is not in that.

    With --replicas, the service or this machine counts as one of several replicas. The output then has a row for each
    resource that a photo takes, Nextcloud's own work included; it says which figures are reckoned.
    """
    configuration = loading.settings_with_warnings()
    if not sample and megapixels is not None:
        raise click.UsageError("--megapixels needs a sample: a running service has the photos of the app.")
    if sample and url is not None:
        raise click.UsageError("a sample is computed without a service: leave out --url or the sample.")
    if replicas is None and (workers or nextcloud_cores or network):
        raise click.UsageError("--workers, --nextcloud-cores and --network need --replicas.")
    site = None if replicas is None else Site(replicas, network or GIGABIT, workers, nextcloud_cores)
    found = (
        _measured(configuration, sample, megapixels or MEGAPIXELS, photos)
        if sample
        else running.forecast(client.service_at(url, configuration), photos)
    )
    several = None if site is None else Several.of(found, site)
    if as_json:
        output.print_json(found.as_json() | ({"replicas": several.as_json()} if several else {}))
    else:
        print(
            f"{found.photos:,} photos: {duration(found.hours)}, at {found.photos_per_minute:,.0f} a minute "
            f"({found.sample} photos of {found.megapixels:.1f} megapixels, {found.origin})"
        )
        if several:
            several.print()
        else:
            output.print_table(["Change", "Time", "Figure"], _rows(found))
    return 0


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
