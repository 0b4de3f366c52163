"""Execution of a run in parts and steps: progress bar with remaining time, and figures kept on interruption."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm


@dataclass(frozen=True)
class Step:
    """Unit of work of some seconds, after which its figures can be kept.

    Args:
        label: for the progress bar.
        seconds: estimated duration; only its share of the part matters.
        run: does the work.
    """

    label: str
    seconds: float
    run: Callable[[], None]


@dataclass(frozen=True)
class Part:
    """Steps that share resources, which are closed before the next part.

    Args:
        label: of the opening, for the progress bar.
        seconds: estimated duration of the opening and all steps.
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

    @property
    def complete(self) -> bool:
        return not self.interrupted and not self.failures


def run(parts: Sequence[Part]) -> Outcome:
    """Run all steps, with a progress bar and the estimated total time on standard error."""
    bar: tqdm[Any] = tqdm(
        total=sum(part.seconds for part in parts),
        bar_format="{l_bar}{bar}| {elapsed} of about {postfix}",
        file=sys.stderr,
        disable=None,
    )
    outcome = Outcome()
    start, done = time.monotonic(), 0.0
    try:
        with bar:
            for part in parts:
                try:
                    with ExitStack() as stack:
                        _show(bar, part.label, start, done)
                        steps = part.open(stack)
                        share = part.seconds / (sum(step.seconds for step in steps) or 1.0)
                        for step in steps:
                            _show(bar, step.label, start, bar.n)
                            step.run()
                            bar.update(step.seconds * share)
                except Exception as error:  # the figures of the other parts are worth keeping
                    outcome.failures.append(error)
                done += part.seconds
                bar.update(done - bar.n)
    except KeyboardInterrupt:
        outcome.interrupted = True
    return outcome


def _show(bar: "tqdm[Any]", label: str, start: float, done: float) -> None:
    """Show the step and the estimated total time, corrected by the pace so far."""
    elapsed, total = time.monotonic() - start, bar.total or 0.0
    pace = (elapsed + 0.1 * total) / (done + 0.1 * total) if total else 0.0
    bar.set_description_str(label, refresh=False)
    bar.set_postfix_str(tqdm.format_interval(round(max(pace * total, elapsed))))
