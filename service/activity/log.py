"""Record of ended photos: counts by second, minute and day, the load of the last minutes, and the last failures."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.activity.failures import UNAUTHORIZED, Failure, FailureLog
from service.activity.reasons import reason
from service.activity.repairs import repair
from service.activity.ring import Bucket, Ring
from service.activity.work_time import WorkTime
from service.estimate.library import Load

DETECT = "/detect"
PHOTO_PATHS = frozenset({DETECT, "/compute"})
"""Paths whose requests carry a photo."""

OK = 200
CLIENT_CLOSED_REQUEST = 499
"""nginx's code for a caller that hung up, in the log and the metrics: its photo is neither answered nor failed."""

SAMPLE_MINUTES = 10
"""Number of minutes with photos that an estimate is made from."""
SAMPLE_PHOTOS = 20
"""Number of photos below which there is no estimate: their areas and faces differ."""
SAMPLE_SECONDS = 30
"""Duration below which there is no estimate: the first photos of a job are slower."""


@dataclass(frozen=True)
class EndedPhoto:
    """A request with a photo that has ended."""

    path: str
    """One of PHOTO_PATHS."""
    status: int
    """HTTP status of the answer; 499 for a caller that hung up."""
    seconds_in_work: float = 0.0
    """Since the start of the work; 0 if it had not started."""
    error: str | None = None
    """Class of the answered exception."""
    sentence: str | None = None
    """Text of the answered exception."""
    bytes: int | None = None
    """Of the photo, or of a body that was not read."""
    format: str | None = None
    width: int | None = None
    height: int | None = None
    """Format and size by the photo's header; None if it was not read."""

    @property
    def pixels(self) -> int:
        return (self.width or 0) * (self.height or 0)


class ActivityLog:
    """Activity since the start, for one event loop. Days are days of UTC.

    Attributes:
        started: Unix time in seconds.
        photos: number of photos answered with 200.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns Unix time in seconds."""
        self._clock = clock
        self._seconds, self._minutes, self._days = Ring(1, 60), Ring(60, 60), Ring(86400, 1)
        self._work_time = WorkTime()
        self._failures = FailureLog()
        self.started = clock()
        self.photos = 0

    def ended(self, photo: EndedPhoto) -> None:
        """Record a photo at the end of its request."""
        now = self._clock()
        minute = self._minutes.at(now)
        if photo.path == DETECT and photo.seconds_in_work > 0:
            added = self._work_time.add(now - photo.seconds_in_work, now)
            minute.busy_seconds += added.busy
            minute.active_seconds += added.active
        if photo.status == OK:
            self._answered(photo, now)
        elif photo.status != CLIENT_CLOSED_REQUEST:
            self._failed(photo, now)

    def _answered(self, photo: EndedPhoto, now: float) -> None:
        self.photos += 1
        for ring in (self._seconds, self._minutes, self._days):
            ring.at(now).photos += 1
        if photo.path == DETECT:
            minute = self._minutes.at(now)
            minute.detected += 1
            minute.pixels += photo.pixels

    def _failed(self, photo: EndedPhoto, now: float) -> None:
        cause, remedy = reason(photo.error, photo.sentence), repair(photo.error, photo.status)
        if remedy is None:  # no request with a photo
            return
        # A wrong key is not of the app, which asks `/open` with its key before it sends a photo.
        if photo.status != UNAUTHORIZED:
            for ring in (self._minutes, self._days):
                ring.at(now).failed += 1
        self._failures.add(
            Failure(now, photo.status, cause, remedy, photo.bytes, photo.format, photo.width, photo.height)
        )

    def last_minute(self) -> int:
        """Number of photos answered with 200 in the last 60 seconds."""
        return sum(second.photos for second in self._seconds.until(self._clock()))

    def last_hour(self) -> list[Bucket]:
        """The last 60 minutes, oldest first; the last one is not over."""
        return self._minutes.until(self._clock())

    def today(self) -> Bucket:
        """The counts since midnight."""
        return self._days.at(self._clock())

    def failures(self) -> list[Failure]:
        """The last failures, latest first."""
        return self._failures.latest()

    def load(self) -> Load | None:
        """Load of the last SAMPLE_MINUTES with photos of `/detect` within the hour; None if the sample is too small."""
        minutes = [minute for minute in self.last_hour() if minute.detected][-SAMPLE_MINUTES:]
        photos = sum(minute.detected for minute in minutes)
        seconds = sum(minute.active_seconds for minute in minutes)
        if photos < SAMPLE_PHOTOS or seconds < SAMPLE_SECONDS:
            return None
        busy = sum(minute.busy_seconds for minute in minutes)
        return Load(photos, seconds, busy, sum(minute.pixels for minute in minutes) / photos)
