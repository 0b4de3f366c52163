"""Resources that a photo takes, as a table: the amount that there is, and the part of it for one photo."""

from collections.abc import Callable
from typing import NamedTuple

from service.estimate.figures import (
    DATABASE_SECONDS,
    ORIGINAL_MEGABYTES,
    PAYLOAD,
    front_seconds,
    preparation_seconds,
    upload_bytes,
)

GIGABIT = 1000.0
"""Default rate of the link in Mbit/s."""
FRONT_CORES = 1
"""Cores of nginx that are counted: it uses more if its `worker_processes` and its machine allow."""


class Replica(NamedTuple):
    """A replica that always has a photo in work: its rate, and the photos that it is of."""

    photos_per_second: float
    at_once: int
    """Photos that it computes at the same time."""
    megapixels: float
    """Mean area of the photos that are sent."""

    @property
    def seconds(self) -> float:
        """Time of a photo in a busy replica, by Little's law: photos in work / photos a second."""
        return self.at_once / self.photos_per_second


class Site(NamedTuple):
    """Surroundings of the replicas. None: not known, so that only the needed amount is given."""

    replicas: int
    network: float = GIGABIT
    """Link between Nextcloud and the front, in Mbit/s."""
    workers: int | None = None
    """The app's workers."""
    cores: int | None = None
    """Cores of Nextcloud for the preparation of photos."""


class Resource(NamedTuple):
    """A resource that each photo takes some of."""

    name: str
    unit: str
    amount: Callable[[Site], float | None]
    """Amount of it; None if it is not known."""
    per_photo: Callable[[Replica], float]
    """Amount that a photo takes for one second."""
    source: str
    """Origin of the figure, with "reckoned" if it is not of this sample."""


REPLICAS = Resource(
    "replicas",
    "replicas",
    lambda site: site.replicas,
    lambda replica: 1 / replica.photos_per_second,
    "rate of this sample, without pauses of the callers",
)
WORKERS = Resource(
    "workers of the app",
    "workers",
    lambda site: site.workers,
    lambda replica: replica.seconds + preparation_seconds(replica.megapixels),
    "reckoned by Little's law: one photo in flight for each, and its preparation",
)
PREPARATION = Resource(
    "preparation in Nextcloud",
    "cores",
    lambda site: site.cores,
    lambda replica: preparation_seconds(replica.megapixels),
    "reckoned: originals of 12 megapixels in libgd on another machine",
)
RESOURCES = (
    REPLICAS,
    Resource(
        "front (nginx)",
        "cores",
        lambda _: FRONT_CORES,
        lambda replica: front_seconds(replica.megapixels),
        "reckoned: CPU time of nginx on another machine",
    ),
    Resource(
        "network before the front",
        "Mbit/s",
        lambda site: site.network * PAYLOAD,
        lambda replica: upload_bytes(replica.megapixels) * 8 / 1e6,
        f"reckoned: mean size of uploads of this area, and {PAYLOAD:.0%} of the link for them",
    ),
    WORKERS,
    PREPARATION,
    Resource(
        "originals from Nextcloud's storage",
        "MB/s",
        lambda _: None,
        lambda _: ORIGINAL_MEGABYTES,
        f"reckoned: {ORIGINAL_MEGABYTES:g} MB each",
    ),
    Resource(
        "Nextcloud's database",
        "connections",
        lambda _: 1,
        lambda _: DATABASE_SECONDS,
        "reckoned: transactions of PostgreSQL on another machine",
    ),
)
