"""Geometry and text alternative of the plot of the last hour: a bar for each minute, failed photos on top."""

from datetime import UTC, datetime
from typing import NamedTuple

from service.web.page.status import Minute
from service.wording import count

HEIGHT = 100
"""Height of the highest bar, in the plot's units."""
STEP, WIDTH = 10, 8
"""Distance of two bars, and the width of one."""
LOWEST_SCALE = 10
"""Photos a minute at the top of the plot at least, so that a single photo is not a full bar."""


class Plot(NamedTuple):
    """The plot of an hour. `page.js` draws it again at each event."""

    answered: str
    """Path of the bars, as SVG path data. A minute without photos has no bar."""
    failed: str
    top: int
    """Photos a minute at the upper edge."""
    sentence: str
    """Text alternative."""


def plot(minutes: list[Minute]) -> Plot:
    """The plot of these minutes, oldest first."""
    top = max([LOWEST_SCALE, *(minute.photos + minute.failed for minute in minutes)])
    unit = HEIGHT / top
    answered = _path([(0, unit * minute.photos) for minute in minutes])
    failed = _path([(unit * minute.photos, unit * minute.failed) for minute in minutes])
    return Plot(answered, failed, top, _sentence(minutes))


def _path(bars: list[tuple[float, float]]) -> str:
    """Path data of bars, each from a height upwards by another."""
    return "".join(
        f"M{STEP * index + 1} {HEIGHT - start:.4g}v-{height:.4g}h{WIDTH}v{height:.4g}z"
        for index, (start, height) in enumerate(bars)
        if height
    )


def _sentence(minutes: list[Minute]) -> str:
    photos, failed = (sum(getattr(minute, name) for minute in minutes) for name in ("photos", "failed"))
    if photos + failed == 0:
        return "No photo in the last hour."
    most = max(minutes, key=lambda minute: minute.photos)
    at = datetime.fromtimestamp(most.start, UTC)
    peak = f" The most in one minute: {count(most.photos)}, at {at:%H:%M} UTC." if photos else ""
    return f"In the last hour: {count(photos)} answered, {count(failed)} failed.{peak}"
