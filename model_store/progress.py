"""Progress bars, one per file, on a terminal only."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from model_store.store import Progress, no_progress


@contextmanager
def progress_display() -> Iterator[Progress]:
    """Yield a progress callback for `WeightStore.fetch`; bars and log lines share stderr without overlap."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    with ExitStack() as bars:
        bars.enter_context(logging_redirect_tqdm())
        open_bars: dict[str, tqdm[NoReturn]] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in open_bars:
                open_bars[name] = bars.enter_context(_bar(name, total))
            bar = open_bars[name]
            bar.update(done - bar.n)

        yield show


def _bar(name: str, total: int) -> "tqdm[NoReturn]":
    return tqdm(desc=name, total=total, unit="B", unit_scale=True)
