"""The forecast for several replicas: the bottleneck, the app's workers, and each resource in a row."""

from collections.abc import Iterator
from typing import NamedTuple

from service.commands.estimate.forecast import Forecast
from service.commands.shared import output
from service.commands.shared.errors import CommandError
from service.estimate.replicas import Bound, Scaling, scaling
from service.estimate.resources import PREPARATION, REPLICAS, Site
from service.wording import duration

HEADS = ("Resource", "Most photos a minute", "Enough for", "Needed of what there is", "Figure")
UNKNOWN = "not known"


class Several(NamedTuple):
    """The time of several replicas, each like the measured service."""

    one: Forecast
    site: Site
    found: Scaling

    @classmethod
    def of(cls, one: Forecast, site: Site) -> "Several":
        """The forecast for the replicas of a site. Raises CommandError."""
        if one.replica is None:
            raise CommandError(
                "The /status of the service lacks busy_share and at_once: it is of an older version. Update it, or "
                "measure photos of yours: face-model estimate --photos N --replicas R FOLDER"
            )
        return cls(one, site, scaling(one.replica, site))

    @property
    def hours(self) -> float:
        """Time for the library."""
        return self.one.photos / self.found.photos_per_minute / 60

    def as_json(self) -> dict[str, object]:
        """All figures by name, for scripts."""
        following = self.found.next_bottleneck
        return {
            "number": self.site.replicas,
            "hours": self.hours,
            "photos_per_minute": self.found.photos_per_minute,
            "bottleneck": self.found.bottleneck.resource,
            "next_bottleneck": following and following.resource,
            "workers": self.found.workers,
            "resources": [bound._asdict() for bound in self.found.bounds],
        }

    def print(self) -> None:
        """Print the time, the bottleneck, and the table of resources."""
        print(
            f"{replicas(self.site.replicas)}: {duration(self.hours)}, at {self.found.photos_per_minute:,.0f} a minute"
        )
        print("\n".join(_sentences(self.found)))
        output.print_table(HEADS, [_row(bound) for bound in self.found.bounds])


def replicas(number: int) -> str:
    """A number of replicas in words."""
    return f"{number:,} replica{'s' * (number != 1)}"


def _sentences(found: Scaling) -> Iterator[str]:
    yield f"Bottleneck: {found.bottleneck.resource}"
    following = found.next_bottleneck
    if following and following.replicas is not None:
        yield f"Next bottleneck: {following.resource}, from {replicas(following.replicas + 1)} on"
    yield f"Workers of the app: --workers={found.workers}, of which one for each replica waits there"
    for bound in found.bounds:
        if bound.resource == PREPARATION.name and bound.amount is None:
            yield (
                f"Nextcloud itself needs {_number(bound.needed)} cores to prepare the photos; with fewer it is the "
                "bottleneck: --nextcloud-cores=C counts them"
            )


def _row(bound: Bound) -> tuple[str, str, str, str, str]:
    of_replicas = bound.resource == REPLICAS.name
    return (
        bound.resource,
        UNKNOWN if bound.photos_per_minute is None else f"{bound.photos_per_minute:,.0f}",
        UNKNOWN if bound.replicas is None else "" if of_replicas else replicas(bound.replicas),
        _amount(bound),
        bound.source,
    )


def _amount(bound: Bound) -> str:
    """The needed amount, and that which there is."""
    needed = f"{_number(bound.needed)} {bound.unit}"
    return needed if bound.amount is None else f"{needed} of {bound.amount:,.0f}"


def _number(amount: float) -> str:
    return f"{amount:,.2g}" if amount < 10 else f"{amount:,.0f}"
