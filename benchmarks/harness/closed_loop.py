"""One side's turn of a round: so many callers, each with its next photo as soon as it has the answer to the last.

Loaded in every worker, dlib's too: nothing is imported here that would count as their memory.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

Edges = tuple[int, int, int, int]
"""Left, top, right and bottom of a face, in pixels of the photo."""


@dataclass(frozen=True)
class Answer:
    """What a side says about a photo."""

    faces: tuple[Edges, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds by stage, where they are known."""
    failure: str = ""
    """Why there is no answer; empty if there is one."""


Call = Callable[[bytes], Answer]
"""Asks a side about an encoded photo. From several threads at once, where it has several callers."""


@dataclass(frozen=True)
class Turn:
    """What a side made of its photos, by one clock."""

    seconds: float
    """From the first photo to the last answer."""
    answers: tuple[tuple[float, Answer], ...]
    """Each with the seconds that its caller waited."""
    cpu_seconds: float | None = None
    """User and system time of all processes and threads of the side; None if they are out of reach."""

    @property
    def latencies(self) -> list[float]:
        """Seconds of each photo that was answered."""
        return [seconds for seconds, answer in self.answers if not answer.failure]

    @property
    def failures(self) -> list[str]:
        return [answer.failure for _, answer in self.answers if answer.failure]

    @property
    def photos_per_second(self) -> float:
        """Of those that were answered."""
        return len(self.latencies) / self.seconds

    @property
    def faces(self) -> int:
        return sum(len(answer.faces) for _, answer in self.answers)

    @property
    def stages(self) -> dict[str, float]:
        """Mean seconds of each stage for a photo, photos without it included."""
        spent: Counter[str] = Counter()
        for _, answer in self.answers:
            spent.update(answer.stages)
        return {stage: seconds / len(self.answers) for stage, seconds in spent.items()}

    def latency(self, percent: int) -> float | None:
        """The percentile of the latencies in seconds; None where it would be guessed from too few photos."""
        if len(self.latencies) * (100 - percent) < 100:
            return None
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def closed_loop(call: Call, photos: Iterable[bytes], callers: int) -> Turn:
    """Ask for all photos, each once."""

    def timed(photo: bytes) -> tuple[float, Answer]:
        start = time.perf_counter()
        answer = call(photo)
        return time.perf_counter() - start, answer

    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        answers: Sequence[tuple[float, Answer]] = list(pool.map(timed, photos))
        return Turn(time.perf_counter() - start, tuple(answers))
