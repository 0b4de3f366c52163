"""What a run will do, as steps: so that it can say how long it takes, and keep what it has when it is interrupted."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm


@dataclass(frozen=True)
class Step:
    """A piece of work of seconds, after which its figures are noted or can be.

    Args:
        says: what is being done, for the bar.
        seconds: how long it will take, roughly; the shares matter.
        run: does it.
    """

    says: str
    seconds: float
    run: Callable[[], None]


@dataclass(frozen=True)
class Part:
    """Steps that need the same things open, which are closed before the next part.

    Args:
        says: what it opens, for the bar.
        seconds: how long all of it will take, roughly.
        open: makes the steps; the stack closes what they hold.
    """

    says: str
    seconds: float
    open: Callable[[ExitStack], Sequence[Step]]


@dataclass
class Run:
    """How the parts went."""

    interrupted: bool = False
    """By Ctrl-C: what came after was not done."""
    failures: list[Exception] = field(default_factory=list)
    """What ended a part; the parts after it were done."""

    @property
    def complete(self) -> bool:
        return not self.interrupted and not self.failures


def run(parts: Sequence[Part]) -> Run:
    """Run all steps with a bar on standard error that knows the time left."""
    bar: tqdm[Any] = tqdm(
        total=sum(part.seconds for part in parts),
        bar_format="{l_bar}{bar}| {elapsed} of about {postfix}",
        file=sys.stderr,
        disable=None,
    )
    went = Run()
    start, done = time.monotonic(), 0.0
    try:
        with bar:
            for part in parts:
                try:
                    with ExitStack() as stack:
                        _show(bar, part.says, start, done)
                        steps = part.open(stack)
                        share = part.seconds / (sum(step.seconds for step in steps) or 1.0)
                        for step in steps:
                            _show(bar, step.says, start, bar.n)
                            step.run()
                            bar.update(step.seconds * share)
                except (
                    Exception
                ) as error:  # whatever it is, what was measured before and will be after is worth having
                    went.failures.append(error)
                done += part.seconds
                bar.update(done - bar.n)
    except KeyboardInterrupt:
        went.interrupted = True
    return went


def _show(bar: "tqdm[Any]", says: str, start: float, done: float) -> None:
    """What is being done, and the whole time: by the estimates first, more and more by how they held."""
    elapsed, total = time.monotonic() - start, bar.total or 0.0
    pace = (elapsed + 0.1 * total) / (done + 0.1 * total) if total else 0.0
    bar.set_description_str(says, refresh=False)
    bar.set_postfix_str(tqdm.format_interval(round(max(pace * total, elapsed))))
