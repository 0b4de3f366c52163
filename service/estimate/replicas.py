"""Capacity of several replicas: the photos a second of all of them, and the resource that limits it (the bottleneck).

Utilisation law of queueing theory: a resource with an amount A, of which each photo takes D, carries at most A / D
photos a second. The smallest of these bounds is the rate.
"""

import math
from typing import NamedTuple

from service.estimate.resources import REPLICAS, RESOURCES, WORKERS, Replica, Resource, Site


class Bound(NamedTuple):
    """Bound of a resource on the rate of all replicas."""

    resource: str
    unit: str
    needed: float
    """Amount that the replicas need if all of them are busy."""
    amount: float | None
    """Amount that there is; None if it is not known."""
    photos_per_minute: float | None
    """Highest rate that the amount allows; None if it is not known."""
    replicas: int | None
    """Number of replicas that it keeps busy; None if it is not known."""
    source: str


class Scaling(NamedTuple):
    """Rate of several replicas."""

    photos_per_minute: float
    bottleneck: Bound
    """The resource that limits the rate."""
    next_bottleneck: Bound | None
    """With more replicas, the resource that limits the rate first; None if the replicas are not the bottleneck."""
    workers: int
    """Workers of the app that keep all replicas busy."""
    bounds: tuple[Bound, ...]


def scaling(replica: Replica, site: Site) -> Scaling:
    """The rate of `site.replicas` replicas like this one.

    Raises ValueError for a rate, a number of replicas or an amount that is not positive.
    """
    amounts = (site.replicas, site.network, site.workers, site.cores)
    if min(replica.photos_per_second, *(amount for amount in amounts if amount is not None)) <= 0:
        raise ValueError("replicas need a positive rate and positive amounts")
    bounds = tuple(_bound(resource, replica, site) for resource in RESOURCES)
    bottleneck, following, *_ = sorted(bounds, key=_rate)
    return Scaling(
        photos_per_minute=_rate(bottleneck),
        bottleneck=bottleneck,
        next_bottleneck=following if bottleneck.resource == REPLICAS.name else None,
        # One more for each replica, whose photo waits there: else the replica is idle between two photos.
        workers=math.ceil(_needed(WORKERS, replica, site)) + site.replicas,
        bounds=bounds,
    )


def _rate(bound: Bound) -> float:
    return math.inf if bound.photos_per_minute is None else bound.photos_per_minute


def _needed(resource: Resource, replica: Replica, site: Site) -> float:
    return site.replicas * replica.photos_per_second * resource.per_photo(replica)


def _bound(resource: Resource, replica: Replica, site: Site) -> Bound:
    amount = resource.amount(site)
    rate = None if amount is None else amount / resource.per_photo(replica)
    return Bound(
        resource=resource.name,
        unit=resource.unit,
        needed=_needed(resource, replica, site),
        amount=amount,
        photos_per_minute=None if rate is None else 60 * rate,
        replicas=None if rate is None else math.floor(rate / replica.photos_per_second),
        source=resource.source,
    )
