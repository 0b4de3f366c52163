"""Load scenarios: a quick plan for every change, a full one for a release or an upgrade."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.harness.steps import Need

LARGEST_MEGAPIXELS = 8.29
"""Megapixels of the largest photo that the app sends, 3840 x 2160, less a margin for rounding."""
CROWDED = 1.2
"""Megapixels of a photo of many faces: each covers 1/36 of it, and the CNN detects faces from about 80 pixels on."""


@dataclass(frozen=True)
class Scenario:
    """Sides measured alternately with the same photos; of two sides, the first is also compared with the second."""

    section: str
    """Section of the figures: throughput, area, faces or callers."""
    sides: tuple[str, ...]
    """Names of `sides.SIDES`."""
    megapixels: float
    model: int = 4
    callers: int = 1
    photos: int = 1
    """Number of different photos."""
    calls: int = 1
    """Minimum number of calls in a trial: percentiles need enough of them."""
    rounds: int = 3
    faces: int | None = None
    """Copies of one face on a gray canvas, instead of photos."""
    more_rounds: int = 0
    """Further rounds, if a time limit leaves time for them."""
    need: Need = Need.MUST
    """Of the scenario in a run with a time limit."""


@dataclass(frozen=True)
class LoadPlan:
    """Scenarios, in the order of the run, which opens few sides twice."""

    scenarios: tuple[Scenario, ...]
    trial_seconds: float
    """Minimum duration of a trial, reached by repeating photos.

    The first call runs with the other side's data in the caches, and the other side's BLAS threads may still be
    spinning. Only calls of several seconds may ignore this bias."""


AGAINST_DLIB = ("library", "dlib")
AGAINST_UPSTREAM = ("service", "upstream")
AGAINST_REMOTE = ("service", "remote")

QUICK = LoadPlan(
    trial_seconds=0.3,
    scenarios=(
        Scenario("throughput", AGAINST_DLIB, 0.3, more_rounds=2, need=Need.VERDICT),
        Scenario("throughput", AGAINST_UPSTREAM, 0.3, callers=2, photos=2, more_rounds=2, need=Need.VERDICT),
        Scenario("callers", ("service",), 0.3, callers=8, photos=2, calls=20, need=Need.VERDICT),
        Scenario("callers", ("service",), 0.3, photos=2, calls=10, need=Need.SHOULD),
        *(Scenario("area", ("library",), size, need=Need.SHOULD) for size in (0.3, 1.2, 2.4)),
        *(Scenario("faces", ("library",), CROWDED, faces=number, need=Need.SHOULD) for number in (1, 32)),
    ),
)
"""Under a minute on two cores that are otherwise idle; the scenarios of the gates come first and take half of it."""

FULL = LoadPlan(
    trial_seconds=1.0,
    scenarios=(
        *(
            Scenario("throughput", AGAINST_DLIB, size, model=model, photos=2, rounds=rounds)
            for model in (1, 3, 4)
            for size, rounds in ((0.3, 5), (1.2, 3))
        ),
        Scenario("throughput", AGAINST_DLIB, 4.0, photos=2),
        *(Scenario("area", AGAINST_DLIB, size) for size in (0.3, 0.6, 1.2)),
        *(Scenario("area", ("library",), size, rounds=5) for size in (2.4, 4.8, LARGEST_MEGAPIXELS)),
        *(Scenario("faces", ("library",), CROWDED, faces=number, rounds=5) for number in (1, 4, 16, 32)),
        *(
            Scenario("throughput", ("service",), size, model=model, callers=callers, photos=4)
            for model in (1, 3, 4)
            for size in (0.3, 1.2, 4.0)
            for callers in (1, 4)
        ),
        Scenario("throughput", AGAINST_UPSTREAM, 0.3, callers=2, photos=4),
        Scenario("throughput", AGAINST_UPSTREAM, 1.2, callers=2, photos=4),
        *(
            Scenario("callers", ("service",), 0.3, callers=number, photos=4, calls=100)
            for number in (1, 2, 4, 8, 16, 64)
        ),
        Scenario("throughput", ("service",), LARGEST_MEGAPIXELS),
    ),
)
"""About a quarter of an hour on two cores."""


MAXIMUM_WARM_UP = 2.0
"""Seconds; a longer trial needs no warm-up."""


def against_remote(plan: LoadPlan, model: int) -> LoadPlan:
    """The plan, plus a comparison with the remote service for each comparison with upstream."""
    remote = (
        Scenario(
            scenario.section,
            AGAINST_REMOTE,
            scenario.megapixels,
            model,
            scenario.callers,
            scenario.photos,
            rounds=scenario.rounds,
        )
        for scenario in plan.scenarios
        if scenario.sides == AGAINST_UPSTREAM
    )
    return LoadPlan((*plan.scenarios, *remote), plan.trial_seconds)


_OURS = MappingProxyType({1: 0.17, 2: 0.17, 3: 0.10, 4: 0.20, 6: 0.20})
_DLIB = MappingProxyType({1: 6.3, 2: 6.3, 3: 0.8, 4: 7.1, 6: 7.1})
SECONDS: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {"library": _OURS, "service": _OURS, "dlib": _DLIB, "upstream": _DLIB, "remote": _DLIB}
)
"""Estimated seconds per megapixel by side and model: dlib (dlib-bin) on one core, ours on two."""
PHOTO_SECONDS = 0.02
"""Estimated seconds per photo, in addition."""
OPENING: Mapping[str, float] = MappingProxyType(
    {"library": 2.5, "dlib": 1.5, "upstream": 2.0, "service": 2.5, "remote": 1.0}
)
"""Estimated seconds to open a side and warm it up."""
AT_ONCE: Mapping[str, int] = MappingProxyType({"upstream": 2, "remote": 2})
"""Number of photos that a side computes concurrently without slowing each other; 1 for a side not listed."""


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of a scenario in seconds."""

    opening: float
    """Opening of new sides, and warm-up."""
    round: float


def estimates(plan: LoadPlan) -> list[tuple[Scenario, Estimate]]:
    """Scenarios of a plan with their estimates: the opening of a side counts at its first scenario."""
    opened: set[tuple[str, int]] = set()
    found = []
    for scenario in plan.scenarios:
        round_ = sum(
            seconds(scenario, side, calls(scenario, side, plan.trial_seconds)) for side in scenario.sides
        )
        new = [side for side in scenario.sides if (side, scenario.model) not in opened]
        opened.update((side, scenario.model) for side in scenario.sides)
        warm_up = sum(seconds(scenario, side, warm_up_calls(scenario, side)) for side in scenario.sides)
        found.append((scenario, Estimate(sum(OPENING[side] for side in new) + warm_up, round_)))
    return found


def calls(scenario: Scenario, side: str, trial_seconds: float) -> int:
    """Number of calls in a trial: a multiple of the photos that reaches the minimum duration and number."""
    whole = scenario.photos * _photo(scenario, side)
    return scenario.photos * max(
        math.ceil(trial_seconds / whole), math.ceil(scenario.calls / scenario.photos), 1
    )


def warm_up_calls(scenario: Scenario, side: str) -> int:
    """Number of warm-up calls: one per caller or photo; 0 if that exceeds `MAXIMUM_WARM_UP`."""
    most = max(scenario.photos, scenario.callers)
    return most if seconds(scenario, side, most) <= MAXIMUM_WARM_UP else 0


def seconds(scenario: Scenario, side: str, photos: int) -> float:
    """Estimated seconds of a trial with this number of photos."""
    return photos * _photo(scenario, side)


def _photo(scenario: Scenario, side: str) -> float:
    alone = PHOTO_SECONDS + scenario.megapixels * SECONDS[side][scenario.model]
    return alone / min(AT_ONCE.get(side, 1), scenario.callers)
