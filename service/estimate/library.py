"""Estimated time for a library of photos, from the load of the last minutes, and the gain of each change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FIXED_MEGAPIXELS = 0.2
"""Time of a photo that does not grow with its area, in megapixels that take as long. From the rates at 0.3, 1.2 and
4 megapixels (docs/reference/performance.md): 16 ms, and 82 ms for each megapixel."""

FAST_PASS_MEGAPIXELS = 0.3
"""Area to which the app's fast pass scales each photo (docs/guide/nextcloud.md)."""

SMALLEST_HALVED = 2 * FAST_PASS_MEGAPIXELS
"""Mean area in megapixels below which no smaller photo is proposed: faces in the background are lost first."""

FAST_PASS_MEAN = 1.1 * FAST_PASS_MEGAPIXELS
"""Mean area in megapixels up to which a sample may be of a fast pass; the app rounds both sides up."""

FULL_PASS_MEGAPIXELS = 1.2
"""Area of the full pass after a fast pass: that of the measurements. The service cannot know the one in Nextcloud."""

IDLE_SHARE = 0.1
"""Share of the time without a photo in work from which on more callers are proposed."""

DOUBLE_CORES = 1.84
"""Gain of a second core: photos a second of eight callers on two cores, relative to one (docs/guide/capacity.md)."""


@dataclass(frozen=True)
class Load:
    """A sample of answered photos."""

    photos: int
    seconds: float
    """Duration of the sample, including pauses of the callers."""
    busy_seconds: float
    """Part of the duration in which at least one photo was in work."""
    pixels: float
    """Mean area."""


class Option(NamedTuple):
    """A change of the settings, the machine or the pass, and the time for the same library with it."""

    change: str
    hours: float
    source: str
    """Measurement that the figure is from."""


class Estimate(NamedTuple):
    """Time for a library at the rate of the sample."""

    hours: float
    photos_per_minute: float
    options: tuple[Option, ...]


def estimate(load: Load, photos: int, cores: int, *, on_cpu: bool = True) -> Estimate:
    """The time for `photos` photos that are sent as those of the sample, to a service on `cores` cores.

    `on_cpu`: no GPU computes. The gains of areas and cores were measured on CPUs alone, and are left out otherwise.

    Raises ValueError for a sample without photos or duration.
    """
    if load.photos <= 0 or load.seconds <= 0:
        raise ValueError("an estimate needs a sample of photos")
    hours = photos * load.seconds / load.photos / 3600
    return Estimate(
        hours, 60 * load.photos / load.seconds, tuple(_options(load, hours, cores, on_cpu=on_cpu))
    )


def relative_time(megapixels: float, than: float) -> float:
    """Time of a photo of one area, relative to that of another. The ratio is of one machine and one model."""
    return (megapixels + FIXED_MEGAPIXELS) / (than + FIXED_MEGAPIXELS)


def _options(load: Load, hours: float, cores: int, *, on_cpu: bool) -> Iterator[Option]:
    busy = min(load.busy_seconds / load.seconds, 1)
    mean = load.pixels / 1e6

    def with_share(share: float) -> float:
        """The hours if the work on a photo takes this share of its time; the pauses of the callers stay."""
        return hours * (1 - busy + busy * share)

    if busy < 1 - IDLE_SHARE:
        yield Option(
            f"more workers of the app: at least --workers={cores + 1}, or cores for Nextcloud",
            hours * busy,
            f"no photo was in work for {1 - busy:.0%} of the time",
        )
    if not on_cpu:
        return
    if mean <= FAST_PASS_MEAN:
        share = relative_time(FULL_PASS_MEGAPIXELS, mean)
        yield Option(
            f"the full pass, which follows a fast pass (--fast-mode): photos of {FULL_PASS_MEGAPIXELS} megapixels",
            with_share(share),
            f"time grows with the area: {share:.1f} times a photo's time",
        )
    if mean >= SMALLEST_HALVED:
        share = relative_time(mean / 2, mean)
        yield Option(
            f"photos of {mean / 2:.1f} megapixels in place of {mean:.1f}; finds fewer small faces",
            with_share(share),
            f"time grows with the area: {share:.0%} of a photo's time",
        )
        share = relative_time(FAST_PASS_MEGAPIXELS, mean)
        yield Option(
            "a fast pass first (--fast-mode), after which all photos are in Nextcloud; the full pass follows",
            with_share(share),
            f"photos of {FAST_PASS_MEGAPIXELS} megapixels: {share:.0%} of a photo's time",
        )
    yield Option(
        f"{2 * cores} cores in place of {cores}",
        with_share(1 / DOUBLE_CORES),
        f"on another machine, a second core gave {DOUBLE_CORES} times the photos",
    )
