"""Union of the times in which photos were in work, from ended photos in the order of their ends."""

from collections import deque
from typing import NamedTuple

PAUSE = 10.0
"""Longest pause in seconds between two photos of one job of the app. A slow Nextcloud takes some seconds to scale an
original down, and each of its workers has a photo of its own; the pause between two jobs is minutes."""

SPANS = 64
"""Number of separate spans that are kept, for photos that were in work during several of them. Of a longer photo, the
time within an older span counts twice."""


class _Span(NamedTuple):
    begun: float
    ended: float


class Added(NamedTuple):
    """Seconds that one photo adds to the union."""

    busy: float
    """In which no other photo that has ended before was in work."""
    active: float
    """Since the photo that ended before, if the pause between the two was at most PAUSE; else as `busy`."""


class WorkTime:
    """Union of spans of work."""

    def __init__(self) -> None:
        self._spans: deque[_Span] = deque(maxlen=SPANS)
        """Disjoint, in ascending order."""

    def add(self, begun: float, ended: float) -> Added:
        """Add a photo, in seconds of one clock; `ended` is not before that of the photo added before."""
        before = self._spans[-1].ended if self._spans else None
        busy, first = ended - begun, begun
        while self._spans and self._spans[-1].ended > begun:
            span = self._spans.pop()
            busy -= span.ended - max(span.begun, begun)
            first = min(first, span.begun)
        self._spans.append(_Span(first, ended))
        joined = before is not None and begun - before <= PAUSE
        return Added(max(busy, 0), max(ended - before, 0) if joined and before is not None else ended - begun)
