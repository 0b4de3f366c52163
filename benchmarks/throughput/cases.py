"""What is measured, as data: a quick plan for every change, a full one for a release or an upgrade."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LARGEST = 8.29
"""Megapixels: 3840 x 2160, the largest photo that the app sends, less what rounding may add."""
CROWDED = 1.2
"""Megapixels of a photo of many faces: each is 1/36 of it, and the CNN sees faces from some 80 pixels on."""


@dataclass(frozen=True)
class Case:
    """Sides that take turns with the same photos; two of them are also compared, the first against the second."""

    section: str
    """throughput, area, faces or callers: of the figures."""
    sides: tuple[str, ...]
    """Names of `sides.SIDES`."""
    megapixels: float
    model: int = 4
    callers: int = 1
    photos: int = 1
    """How many different ones."""
    calls: int = 1
    """How many a turn has at least: percentiles want some."""
    rounds: int = 3
    faces: int | None = None
    """Copies of a face on a canvas, in the place of photos."""


@dataclass(frozen=True)
class Plan:
    """All cases, in the order that opens the fewest sides."""

    cases: tuple[Case, ...]
    turn: float
    """Seconds that a turn has about at least: photos are repeated. The first call finds caches and cores as the other
    side left them, whose BLAS may still be spinning; a call of seconds does not feel that."""


AGAINST_DLIB = ("library", "dlib")
AGAINST_UPSTREAM = ("service", "upstream")
AGAINST_REMOTE = ("service", "remote")

QUICK = Plan(
    turn=0.3,
    cases=(
        Case("throughput", AGAINST_DLIB, 0.3),
        *(Case("area", ("library",), size) for size in (0.3, 1.2, 2.4)),
        *(Case("faces", ("library",), CROWDED, faces=number) for number in (1, 32)),
        Case("throughput", AGAINST_UPSTREAM, 0.3, callers=2, photos=2),
        Case("callers", ("service",), 0.3, photos=2, calls=10),
        Case("callers", ("service",), 0.3, callers=8, photos=2, calls=20),
    ),
)
"""Under a minute on two cores."""

FULL = Plan(
    turn=1.0,
    cases=(
        *(
            Case("throughput", AGAINST_DLIB, size, model=model, photos=2, rounds=rounds)
            for model in (1, 3, 4)
            for size, rounds in ((0.3, 5), (1.2, 3))
        ),
        Case("throughput", AGAINST_DLIB, 4.0, photos=2),
        *(Case("area", AGAINST_DLIB, size) for size in (0.3, 0.6, 1.2)),
        *(Case("area", ("library",), size, rounds=5) for size in (2.4, 4.8, LARGEST)),
        *(Case("faces", ("library",), CROWDED, faces=number, rounds=5) for number in (1, 4, 16, 32)),
        *(
            Case("throughput", ("service",), size, model=model, callers=callers, photos=4)
            for model in (1, 3, 4)
            for size in (0.3, 1.2, 4.0)
            for callers in (1, 4)
        ),
        Case("throughput", AGAINST_UPSTREAM, 0.3, callers=2, photos=4),
        Case("throughput", AGAINST_UPSTREAM, 1.2, callers=2, photos=4),
        *(
            Case("callers", ("service",), 0.3, callers=number, photos=4, calls=100)
            for number in (1, 2, 4, 8, 16, 64)
        ),
        Case("throughput", ("service",), LARGEST),
    ),
)
"""About a quarter of an hour on two cores."""


LONGEST_WARM_UP = 2.0
"""Seconds; a turn that takes longer does not feel whether it is the first."""


def against_remote(plan: Plan, model: int) -> Plan:
    """A plan that compares the service with a remote one as well, wherever it compares it with upstream's way."""
    remote = (
        Case(
            case.section,
            AGAINST_REMOTE,
            case.megapixels,
            model,
            case.callers,
            case.photos,
            rounds=case.rounds,
        )
        for case in plan.cases
        if case.sides == AGAINST_UPSTREAM
    )
    return Plan((*plan.cases, *remote), plan.turn)


_OURS = MappingProxyType({1: 0.17, 2: 0.17, 3: 0.10, 4: 0.20, 6: 0.20})
_DLIB = MappingProxyType({1: 6.3, 2: 6.3, 3: 0.8, 4: 7.1, 6: 7.1})
SECONDS: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {"library": _OURS, "service": _OURS, "dlib": _DLIB, "upstream": _DLIB, "remote": _DLIB}
)
"""Of a megapixel, by side and model, dlib's of one core (dlib-bin), ours of two: for estimates alone."""
PHOTO_SECONDS = 0.02
"""Of a photo of any size."""
OPENING: Mapping[str, float] = MappingProxyType(
    {"library": 2.5, "dlib": 1.5, "upstream": 2.0, "service": 2.5, "remote": 1.0}
)
"""Seconds until a side is open and warm."""
AT_ONCE: Mapping[str, int] = MappingProxyType({"upstream": 2, "remote": 2})
"""Photos that a side works on at once, each no slower than alone; else 1."""


@dataclass(frozen=True)
class Estimate:
    """How long a case takes, in seconds."""

    opening: float
    """Of what it opens and of the turns that warm it up."""
    round: float


def estimates(plan: Plan) -> list[tuple[Case, Estimate]]:
    """Each case, and how long it takes where it follows on the ones before."""
    opened: set[tuple[str, int]] = set()
    found = []
    for case in plan.cases:
        round_ = sum(seconds(case, side, calls(case, side, plan.turn)) for side in case.sides)
        new = [side for side in case.sides if (side, case.model) not in opened]
        opened.update((side, case.model) for side in case.sides)
        warm_up = sum(seconds(case, side, warm_up_calls(case, side)) for side in case.sides)
        found.append((case, Estimate(sum(OPENING[side] for side in new) + warm_up, round_)))
    return found


def calls(case: Case, side: str, turn: float) -> int:
    """Photos of a turn: all of the case's, equally often, for as many seconds and calls as wanted."""
    whole = case.photos * _photo(case, side)
    return case.photos * max(math.ceil(turn / whole), math.ceil(case.calls / case.photos), 1)


def warm_up_calls(case: Case, side: str) -> int:
    """Photos of the turn that does not count: one for each caller; none where that takes long."""
    most = max(case.photos, case.callers)
    return most if seconds(case, side, most) <= LONGEST_WARM_UP else 0


def seconds(case: Case, side: str, photos: int) -> float:
    """How long so many photos take, roughly."""
    return photos * _photo(case, side)


def _photo(case: Case, side: str) -> float:
    alone = PHOTO_SECONDS + case.megapixels * SECONDS[side][case.model]
    return alone / min(AT_ONCE.get(side, 1), case.callers)
