"""Execution of a run in parts and steps: time limit, progress bar, and figures kept on interruption."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tqdm import tqdm

PRIOR = 0.1
"""Weight of the estimates when the pace is computed, as a share of the estimated duration."""


class Need(IntEnum):
    """Steps of a higher number are left out first if the time is short."""

    MUST = 0
    """Runs in any case: the overall verdict depends on it."""
    VERDICT = 1
    """A gate depends on it, which abstains without it."""
    SHOULD = 2
    """Shows more than the gates need. If it is left out, the outcome names it, as it does with `VERDICT`."""
    MAY = 3
    """Uses time that is left over: further rounds, for a narrower spread."""


@dataclass(frozen=True)
class Step:
    """Unit of work of some seconds, after which its figures can be kept.

    Args:
        label: for the progress bar.
        seconds: estimated duration; only its share of the part matters.
        run: does the work.
        need: of this step, if the run has a time limit.
    """

    label: str
    seconds: float
    run: Callable[[], None]
    need: Need = Need.MUST


@dataclass(frozen=True)
class Part:
    """Steps that share resources, which are closed before the next part.

    Args:
        label: of the opening, for the progress bar.
        seconds: estimated duration of the opening and all steps, those that may run excluded.
        open: returns the steps, and registers their resources on the stack.
    """

    label: str
    seconds: float
    open: Callable[[ExitStack], Sequence[Step]]


@dataclass
class Outcome:
    """Outcome of all parts."""

    interrupted: bool = False
    """True after Ctrl-C: the remaining steps were skipped."""
    failures: list[Exception] = field(default_factory=list)
    """Errors that ended a part; the later parts were still run."""
    left_out: list[str] = field(default_factory=list)
    """Labels of steps for which the time did not suffice, those that may run excluded."""

    @property
    def complete(self) -> bool:
        return not self.interrupted and not self.failures


class _Pace:
    """Time of a part: which of its steps fit before its deadline, at the pace of the steps before."""

    def __init__(self, part: Part, steps: Sequence[Step], deadline: float) -> None:
        self._steps = steps
        planned = sum(step.seconds for step in steps if step.need < Need.MAY)
        self.scale = part.seconds / (planned or 1.0)
        """Estimated seconds per unit of a step's `seconds`."""
        self._deadline = deadline
        self._opened = time.monotonic()
        self._prior = PRIOR * part.seconds
        self._done = 0.0

    def fits(self, number: int) -> bool:
        """True if a step and the later, more needed steps fit before the deadline."""
        step = self._steps[number]
        if step.need == Need.MUST or math.isinf(self._deadline):
            return True
        now = time.monotonic()
        pace = (now - self._opened + self._prior) / (self._done + self._prior)
        needed = sum(later.seconds for later in self._steps[number + 1 :] if later.need < step.need)
        return now + pace * self.scale * (step.seconds + needed) <= self._deadline

    def finished(self, step: Step) -> None:
        self._done += step.seconds * self.scale


def run(parts: Sequence[Part], limit: float = math.inf) -> Outcome:
    """Run the steps, with a progress bar and the estimated total time on standard error.

    Args:
        parts: in this order.
        limit: seconds for all parts together. Each part gets its estimated share, and what earlier parts left. Steps
            that must run may exceed it.
    """
    total = sum(part.seconds for part in parts)
    bar: tqdm[Any] = tqdm(
        total=total,
        bar_format="{l_bar}{bar}| {elapsed} of about {postfix}",
        file=sys.stderr,
        disable=None,
    )
    outcome = Outcome()
    start, done = time.monotonic(), 0.0
    try:
        with bar:
            for part in parts:
                deadline = start + limit * (done + part.seconds) / (total or 1.0)
                try:
                    _run_part(part, deadline, outcome, bar, lambda label: _show(bar, label, start, limit))
                except Exception as error:  # the figures of the other parts are worth keeping
                    outcome.failures.append(error)
                done += part.seconds
                bar.update(done - bar.n)
    except KeyboardInterrupt:
        outcome.interrupted = True
    return outcome


def _run_part(
    part: Part, deadline: float, outcome: Outcome, bar: "tqdm[Any]", show: Callable[[str], None]
) -> None:
    """Run the steps that fit before the deadline. Raises the error of a step."""
    with ExitStack() as stack:
        show(part.label)
        steps = part.open(stack)
        pace = _Pace(part, steps, deadline)
        for number, step in enumerate(steps):
            if pace.fits(number):
                show(step.label)
                step.run()
                pace.finished(step)
            elif step.need < Need.MAY:
                outcome.left_out.append(step.label)
            if step.need < Need.MAY:
                bar.update(step.seconds * pace.scale)


def _show(bar: "tqdm[Any]", label: str, start: float, limit: float) -> None:
    """Show the step and the estimated total time, corrected by the pace so far."""
    elapsed, total = time.monotonic() - start, bar.total or 0.0
    pace = (elapsed + PRIOR * total) / (bar.n + PRIOR * total) if total else 0.0
    bar.set_description_str(label, refresh=False)
    bar.set_postfix_str(tqdm.format_interval(round(max(min(pace * total, limit), elapsed))))
