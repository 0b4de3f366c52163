"""Ring buffer of equal intervals of time, such as the 60 minutes of the last hour."""

from dataclasses import dataclass


@dataclass
class Bucket:
    """Counts of one interval."""

    start: int
    """Unix time in seconds, a multiple of the interval."""
    photos: int = 0
    """Answered with 200."""
    failed: int = 0
    """Answered with an error, other than a wrong key."""
    detected: int = 0
    """Photos of `/detect` among `photos`: the sample of an estimate."""
    pixels: int = 0
    """Sum of the areas of `detected`."""
    busy_seconds: float = 0.0
    """Time in which at least one photo of `/detect` was in work, by the end of the photo."""
    active_seconds: float = 0.0
    """The same, with the pauses between photos of one job (`work_time.PAUSE`)."""


class Ring:
    """The last `number` intervals of `seconds` each. They start at multiples of `seconds` of Unix time, which is UTC.

    A clock that is set back clears the intervals that it enters again.
    """

    def __init__(self, seconds: int, number: int) -> None:
        self._seconds = seconds
        self._buckets = [Bucket(0)] * number

    def at(self, now: float) -> Bucket:
        """The interval of the Unix time `now`."""
        number = int(now) // self._seconds
        start, place = number * self._seconds, number % len(self._buckets)
        if self._buckets[place].start != start:
            self._buckets[place] = Bucket(start)
        return self._buckets[place]

    def until(self, now: float) -> list[Bucket]:
        """All intervals up to the one of `now`, oldest first, with empty ones for those without a photo."""
        last = int(now) // self._seconds
        found = {bucket.start: bucket for bucket in self._buckets}
        starts = (self._seconds * number for number in range(last - len(self._buckets) + 1, last + 1))
        return [found.get(start, Bucket(start)) for start in starts]
