"""Calls of many callers, compared with the answers of one process, and the cost of the front for one call."""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, NamedTuple

import httpx

from benchmarks.harness.http_calls import post
from benchmarks.studies.crowd import DRIFT, Findings, compare


@dataclass
class Outcome:
    """Calls that have ended."""

    lost: list[str] = field(default_factory=list)
    """Status and body of each answer but 200, and each failed connection."""
    differing: int = 0
    """Answers that are not `equal` to the expected ones."""
    seconds: list[float] = field(default_factory=list)
    """Latency of each call."""
    duration: float = 0.0
    """Seconds from the first call to the end of the last one."""

    def add(self, seconds: float, answer: httpx.Response | httpx.TransportError, expected: Any) -> None:
        """Count one call."""
        self.seconds.append(seconds)
        if isinstance(answer, httpx.TransportError):
            self.lost.append(repr(answer))
        elif answer.status_code != httpx.codes.OK:
            self.lost.append(f"{answer.status_code} {answer.text}")
        else:
            self.differing += not equal(answer.json(), expected)


def equal(answer: Any, expected: Any) -> bool:
    """True if two answers of `/detect` are equal up to the rounding of a batch."""
    found = Findings()
    compare(found, answer, expected)
    return not found.moved and found.drift <= DRIFT


class Event(NamedTuple):
    """A fault or an update during the calls, in a thread of its own."""

    happen: Callable[[], object]
    after: int
    """Number of calls that have ended before."""


def run(
    client: httpx.Client,
    photos: Sequence[bytes],
    expected: Sequence[Any],
    calls: int,
    callers: int,
    event: Event | None = None,
    report: Callable[[int], object] = lambda _: None,
) -> Outcome:
    """Make the calls, the photos cyclic; `report` is called with the number of ended calls after each one.

    Raises the exceptions of the event.
    """
    outcome, lock = Outcome(), threading.Lock()
    events: list[Future[object]] = []

    def call(number: int) -> None:
        index = number % len(photos)
        start = time.perf_counter()
        answer: httpx.Response | httpx.TransportError
        try:
            answer = post(client, photos[index])
        except httpx.TransportError as error:
            answer = error
        with lock:
            outcome.add(time.perf_counter() - start, answer, expected[index])
            ended = len(outcome.seconds)
        if event and ended == event.after:
            events.append(beside.submit(event.happen))
        report(ended)

    first = time.perf_counter()
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(callers) as pool:
        running = [pool.submit(call, number) for number in range(calls)]
        try:
            for each in running:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else Ctrl-C would make all remaining calls
            raise
        outcome.duration = time.perf_counter() - first
        for happening in events:
            happening.result()
    return outcome


def cost(direct: httpx.Client, through: httpx.Client, photo: bytes, pairs: int) -> list[float]:
    """Milliseconds that the front adds to a call, of this number of pairs: A B, B A, A B, ..."""
    added = []
    for number in range(pairs):
        order = (direct, through) if number % 2 else (through, direct)
        seconds = {}
        for client in order:
            start = time.perf_counter()
            post(client, photo).raise_for_status()
            seconds[client] = time.perf_counter() - start
        added.append(1000 * (seconds[through] - seconds[direct]))
    return added


def number_of_pairs(option: str) -> int:
    """Value of the option --pairs. Raises ArgumentTypeError below two, which have no `spread`."""
    if (number := int(option)) < 2:
        raise argparse.ArgumentTypeError("two or more, for a spread")
    return number


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and middle half, of two or more values."""
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
