"""Progress on standard error, only on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.progress import TaskID


@contextmanager
def steps(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the present step, beginning with `first`."""
    if not sys.stderr.isatty():
        yield _nothing
        return
    with _console().status(first) as status:
        yield status.update


@contextmanager
def photos(total: int) -> Iterator[Callable[[], None]]:
    """Yield a function that advances a bar of `total` photos by one.

    Without a bar if standard output is a terminal too: its lines show the progress, and would break the bar.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield _nothing
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress("photos", *columns, console=_console(), redirect_stdout=False) as progress:
        task = progress.add_task("photos", total=total)
        yield lambda: progress.advance(task)


@contextmanager
def downloads() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of a file's name, its bytes so far and its size, which shows a bar for each file."""
    if not sys.stderr.isatty():
        yield _nothing
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    name = TextColumn("{task.description}")
    with Progress(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=_console()) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        yield show


def _console() -> Console:
    """Standard error, with the cursor left alone: a signal ends the process at once, and would leave it hidden."""
    from rich.console import Console

    class WithCursor(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return False

    return WithCursor(stderr=True)


def _nothing(*_: object) -> None:
    pass
