"""Closed-loop load generator: each caller sends its next photo as soon as the previous one is answered.

A side is one of the compared implementations: the candidate, dlib, or a remote service. A closed-loop run of one side
is a trial. This module is loaded in every worker process, dlib's included, so it imports no
library whose memory would be counted as the side's.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

FaceBox = tuple[int, int, int, int]
"""Left, top, right and bottom of a face, in pixels of the photo."""


@dataclass(frozen=True)
class Response:
    """Response of a side to one photo."""

    faces: tuple[FaceBox, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds by stage; empty where a side does not report them."""
    failure: str = ""
    """Reason for a missing answer; empty on success."""


Call = Callable[[bytes], Response]
"""Sends one encoded photo to a side. Called from several threads at once if there are several callers."""


@dataclass(frozen=True)
class Trial:
    """Responses of a side in one closed-loop run, with their latencies."""

    seconds: float
    """From the first photo to the last answer."""
    responses: tuple[tuple[float, Response], ...]
    """Latency in seconds and response of each photo."""
    cpu_seconds: float | None = None
    """User and system time of all processes of the side; None for a remote service."""

    @property
    def latencies(self) -> list[float]:
        """Seconds of each successful response."""
        return [seconds for seconds, response in self.responses if not response.failure]

    @property
    def failures(self) -> list[str]:
        return [response.failure for _, response in self.responses if response.failure]

    @property
    def photos_per_second(self) -> float:
        """Throughput of successful responses."""
        return len(self.latencies) / self.seconds

    @property
    def faces(self) -> int:
        return sum(len(response.faces) for _, response in self.responses)

    @property
    def stages(self) -> dict[str, float]:
        """Mean seconds of each stage per photo; a photo without the stage counts as 0."""
        spent: Counter[str] = Counter()
        for _, response in self.responses:
            spent.update(response.stages)
        return {stage: seconds / len(self.responses) for stage, seconds in spent.items()}

    def latency(self, percent: int) -> float | None:
        """Percentile of the latencies in seconds; None with fewer than 100 / (100 - percent) photos."""
        if len(self.latencies) * (100 - percent) < 100:
            return None
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def run_closed_loop(call: Call, photos: Iterable[bytes], callers: int) -> Trial:
    """Send each photo once, from this number of concurrent callers."""

    def timed(photo: bytes) -> tuple[float, Response]:
        start = time.perf_counter()
        response = call(photo)
        return time.perf_counter() - start, response

    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        responses: Sequence[tuple[float, Response]] = list(pool.map(timed, photos))
        return Trial(time.perf_counter() - start, tuple(responses))
