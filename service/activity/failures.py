"""The last failures of photos, with reason and repair."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

UNAUTHORIZED = 401

PHOTOS = 90
"""Number of kept failures of callers with a key."""
WITHOUT_KEY = 10
"""Number of kept requests without a valid key: they cannot displace failures of callers with one."""


@dataclass(frozen=True)
class Failure:
    """A photo that was answered with an error."""

    at: float
    """Unix time in seconds."""
    status: int
    reason: str
    """Of `reasons`: no text of a caller or a photo."""
    repair: str
    """Of `repairs`."""
    bytes: int | None
    format: str | None
    width: int | None
    height: int | None

    @property
    def time(self) -> str:
        """ISO 8601, UTC."""
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")


class FailureLog:
    """The last PHOTOS and WITHOUT_KEY failures."""

    def __init__(self) -> None:
        self._photos: deque[Failure] = deque(maxlen=PHOTOS)
        self._without_key: deque[Failure] = deque(maxlen=WITHOUT_KEY)

    def add(self, failure: Failure) -> None:
        """Add a failure; the oldest of its kind is dropped."""
        (self._without_key if failure.status == UNAUTHORIZED else self._photos).append(failure)

    def latest(self) -> list[Failure]:
        """All kept failures, latest first."""
        return sorted((*self._photos, *self._without_key), key=lambda failure: failure.at, reverse=True)
