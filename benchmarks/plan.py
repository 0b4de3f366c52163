"""What a run will do, as steps: so that it can say how long it takes, and keep what it has when it is interrupted."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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


def run(parts: Sequence[Part]) -> bool:
    """Run all steps with a bar on standard error that knows the time left. False: Ctrl-C ended it before the end."""
    bar: tqdm[Any] = tqdm(
        total=sum(part.seconds for part in parts),
        bar_format="{l_bar}{bar}| {elapsed} of about {postfix}",
        file=sys.stderr,
        disable=None,
    )
    start = time.monotonic()
    done = 0.0
    try:
        with bar:
            for part in parts:
                _show(bar, part.says, start, done)
                with ExitStack() as stack:
                    steps = part.open(stack)
                    share = part.seconds / (sum(step.seconds for step in steps) or 1.0)
                    for step in steps:
                        _show(bar, step.says, start, done)
                        step.run()
                        bar.update(step.seconds * share)
                        done += step.seconds * share
    except KeyboardInterrupt:
        return False
    return True


def _show(bar: "tqdm[Any]", says: str, start: float, done: float) -> None:
    """What is being done, and the whole time: by the estimates first, more and more by how they held."""
    elapsed, total = time.monotonic() - start, bar.total or 0.0
    pace = (elapsed + 0.1 * total) / (done + 0.1 * total) if total else 0.0
    bar.set_description_str(says, refresh=False)
    bar.set_postfix_str(tqdm.format_interval(round(max(pace * total, elapsed))))
