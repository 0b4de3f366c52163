"""Geometry and text alternative of the plot of the last hour: a bar for each minute, failed photos on top."""

from datetime import UTC, datetime
from typing import NamedTuple

from service.web.page.status import Minute
from service.web.page.wording import count

HEIGHT = 100
"""Height of the highest bar, in the plot's units. The width of a minute is 10."""
LOWEST_SCALE = 10
"""Photos a minute at the top of the plot at least, so that a single photo is not a full bar."""


class Bar(NamedTuple):
    """Heights of one minute's bar."""

    answered: float
    failed: float


class Plot(NamedTuple):
    """The plot of an hour."""

    bars: list[Bar]
    top: int
    """Photos a minute at the upper edge."""
    sentence: str
    """Text alternative."""


def plot(minutes: list[Minute]) -> Plot:
    """The plot of these minutes, oldest first."""
    top = max([LOWEST_SCALE, *(minute.photos + minute.failed for minute in minutes)])
    unit = HEIGHT / top
    bars = [Bar(round(unit * minute.photos, 1), round(unit * minute.failed, 1)) for minute in minutes]
    return Plot(bars, top, _sentence(minutes))


def _sentence(minutes: list[Minute]) -> str:
    photos, failed = (sum(getattr(minute, name) for minute in minutes) for name in ("photos", "failed"))
    if photos + failed == 0:
        return "No photo in the last hour."
    most = max(minutes, key=lambda minute: minute.photos)
    at = datetime.fromtimestamp(most.start, UTC)
    peak = f" The most in one minute: {count(most.photos)}, at {at:%H:%M} UTC." if photos else ""
    return f"In the last hour: {count(photos)} answered, {count(failed)} failed.{peak}"
