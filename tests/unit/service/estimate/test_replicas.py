"""service/estimate/replicas.py: the rate of several replicas, and the resource that limits it."""

import math
from collections.abc import Callable

import pytest

from service.estimate.figures import front_seconds, preparation_seconds, upload_bytes
from service.estimate.replicas import scaling
from service.estimate.resources import RESOURCES, Replica, Resource, Site

REPLICA = Replica(photos_per_second=8.0, at_once=2, megapixels=1.2)


def test_one_replica_has_its_own_rate() -> None:
    found = scaling(REPLICA, Site(1))
    assert found.photos_per_minute == pytest.approx(480)
    assert found.bottleneck.resource == "replicas"


def test_rates_of_replicas_add_up_to_the_next_bottleneck() -> None:
    """1.2 megapixels are 127 kB, 1.02 Mbit: a link of 100 Mbit/s carries 92 photos a second, of 11 replicas."""
    few, many = (scaling(REPLICA, Site(number, network=100)) for number in (11, 12))
    assert few.photos_per_minute == pytest.approx(11 * 480)
    assert few.bottleneck.resource == "replicas"
    assert many.photos_per_minute == pytest.approx(60 * 94.15 / (8 * 0.1273), rel=0.01)
    assert many.bottleneck.resource == "network before the front"
    assert many.next_bottleneck is None
    assert few.next_bottleneck is not None
    assert (few.next_bottleneck.resource, few.next_bottleneck.replicas) == ("network before the front", 11)


def test_workers_of_the_app_obey_littles_law() -> None:
    """A photo takes 2 / 8 s in the replica, and 0.326 s of preparation."""
    found = scaling(REPLICA, Site(4, workers=9))
    assert found.bottleneck.resource == "workers of the app"
    assert found.photos_per_minute == pytest.approx(60 * 9 / (0.25 + 0.326))
    needed = next(bound.needed for bound in found.bounds if bound.resource == "workers of the app")
    assert needed == pytest.approx(4 * 8 * (0.25 + 0.326))
    assert found.workers == math.ceil(needed) + 4


def test_the_proposed_workers_are_no_bottleneck() -> None:
    for number in (1, 2, 4, 100):
        proposed = scaling(REPLICA, Site(number)).workers
        assert scaling(REPLICA, Site(number, workers=proposed)).bottleneck.resource != "workers of the app"


def test_cores_of_nextcloud_prepare_each_photo() -> None:
    found = scaling(REPLICA, Site(4, cores=3))
    assert found.bottleneck.resource == "preparation in Nextcloud"
    assert found.photos_per_minute == pytest.approx(60 * 3 / 0.326)


def test_an_unknown_amount_is_no_bound() -> None:
    bounds = {bound.resource: bound for bound in scaling(REPLICA, Site(4)).bounds}
    unknown = {name for name, bound in bounds.items() if bound.photos_per_minute is None}
    assert unknown == {"workers of the app", "preparation in Nextcloud", "originals from Nextcloud's storage"}
    assert all(bounds[name].replicas is None for name in unknown)
    assert bounds["originals from Nextcloud's storage"].needed == pytest.approx(4 * 8 * 4.0)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_each_resource_says_if_it_is_reckoned(resource: Resource) -> None:
    assert resource.source.startswith(("reckoned", "rate of this sample"))


@pytest.mark.parametrize(
    ("figure", "measured", "error"),
    [
        (upload_bytes, {0.3: 39_684, 1.2: 124_969, 4: 319_710}, 0.06),
        (preparation_seconds, {0.3: 0.269, 1.2: 0.319, 4: 0.473}, 0.04),
        (front_seconds, {0.3: 0.23e-3, 1.2: 0.33e-3, 4: 0.62e-3}, 0.1),
    ],
)
def test_figures_follow_the_measured_ones(
    figure: Callable[[float], float], measured: dict[float, float], error: float
) -> None:
    """The measured ones stand in docs/guide/capacity.md."""
    for megapixels, value in measured.items():
        assert figure(megapixels) == pytest.approx(value, rel=error)


@pytest.mark.parametrize(
    ("replica", "site"),
    [
        (REPLICA._replace(photos_per_second=0), Site(1)),
        (REPLICA, Site(0)),
        (REPLICA, Site(1, network=0)),
        (REPLICA, Site(1, workers=0)),
        (REPLICA, Site(1, cores=0)),
    ],
)
def test_amounts_of_zero_are_errors(replica: Replica, site: Site) -> None:
    with pytest.raises(ValueError, match="positive"):
        scaling(replica, site)
