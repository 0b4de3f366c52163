"""Child process that executes mutated inputs of one target, under limits, until a deadline or a finding.

A finding ends the process. It is an undocumented exception (FOUND_EXCEPTION, with the traceback), an abort by glibc, a
signal, or SIGPROF after too much CPU time. For signals faulthandler writes the stack.
"""

import argparse
import contextlib
import faulthandler
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.mutation import Mutator
from tests.fuzz.planted import PLANTED
from tests.fuzz.pool import Pool
from tests.fuzz.slot import Slot
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, corpus_of

FOUND_EXCEPTION = 70
"""Exit status if an input raised an undocumented error (sysexits.h, EX_SOFTWARE)."""

TRACED_PACKAGES = tuple(
    f"/{name}/"
    for name in (
        *("service", "conversion", "model_store"),
        *("PIL", "pillow_heif", "starlette", "python_multipart", "h11", "uvicorn", "json"),
    )
)
"""Folders of the Python parsers, whose lines count as coverage."""

TRACED_SHARE = 0.3
"""Share of executions with coverage; the others run at full speed."""

CORPUS_SHARE = 0.5
"""Share of inputs that are mutated from a file of the corpus; the others are from inputs that reached new lines."""

VARYING = re.compile(r"b?'.*?'|b?\".*?\"|\w*\d\w*")
"""Parts of an error message that differ from input to input."""

OUTPUT_INTERVAL = 1000
"""Executions after which the output of libraries is discarded: hours of it would fill a disk."""

Feature = tuple[str, int]


class Coverage:
    """Reached lines of the parsers, and the messages of their errors."""

    def __init__(self) -> None:
        self.features: set[Feature] = set()
        self._new: set[Feature] = set()
        self._traced_files: dict[str, bool] = {}

    def run(self, function: Callable[[], str], traced: bool) -> bool:
        """Runs `function`, which returns its error message; True if a line or message is new."""
        self._new = set()
        if traced:
            sys.settrace(self._call)
        try:
            message = function()
        finally:
            sys.settrace(None)
        self._new.add((VARYING.sub("", message)[:80], 0))
        new = self._new - self.features
        self.features |= new
        return bool(new)

    def _call(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        is_traced = self._traced_files.get(name)
        if is_traced is None:
            is_traced = self._traced_files[name] = any(package in name for package in TRACED_PACKAGES)
        return self._line if is_traced else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "line":
            self._new.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class FuzzLoop:
    """The main loop of one child."""

    def __init__(self, target: Target, slot: Slot, seed: str) -> None:
        self._target = target
        self._slot = slot
        self._execute, self._documented = self._target.load()
        self._coverage = Coverage()
        self._executions = 0
        self._random = random.Random(seed)

    def fuzz(self, corpus: Sequence[bytes], pool: Pool, end: float) -> None:
        """Executes all known inputs, limits memory, and mutates them until `end` of the monotonic clock."""
        seeds, reached = pool.usable(corpus), pool.usable(pool.inputs())
        for data in (*seeds, *reached):
            self.one(data, traced=True)
        limit_memory(self._target.memory)
        mutator = Mutator(self._random, self._target.tokens)
        while time.monotonic() < end:
            from_seeds = not reached or self._random.random() < CORPUS_SHARE
            data = self._random.choice(seeds if from_seeds else reached)
            changed = mutator.mutated(data, self._random.choice(seeds))
            if self.one(changed, traced=self._random.random() < TRACED_SHARE):
                reached.append(changed)
                pool.add(changed)

    def one(self, data: bytes, traced: bool) -> bool:
        """Executes an input; True if it increased coverage. Ends the process if it is a finding."""
        # SIGPROF after CPU time of all threads. RLIMIT_CPU would count ticks from the start of the process,
        # which drift by seconds from process_time().
        signal.setitimer(signal.ITIMER_PROF, self._target.cpu_seconds)
        self._slot.begin(self._executions, len(self._coverage.features), time.monotonic(), data)
        try:
            new = self._coverage.run(lambda: self._message(data), traced)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            # Without clean-up, which threads and event loops of the target might block.
            os._exit(FOUND_EXCEPTION)
        self._executions += 1
        if self._executions % OUTPUT_INTERVAL == 0:
            os.ftruncate(sys.stderr.fileno(), 0)
        self._slot.end(self._executions, len(self._coverage.features))
        return new

    def _message(self, data: bytes) -> str:
        try:
            self._execute(data)
        except self._documented as error:
            return f"{type(error).__name__} {error}"
        return "nothing"


def limit_memory(more: int) -> None:
    """Limits the process to `more` bytes in addition to those it has.

    RLIMIT_DATA is the limit, since RLIMIT_AS also counts libraries that are loaded late.
    """
    with contextlib.suppress(FileNotFoundError):  # a sandbox without /proc: no limit there
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmData:\s+(\d+) kB", status)
        assert found
        limit = int(found[1]) * 1024 + more
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("target")
    arguments.add_argument("slot", type=Path)
    arguments.add_argument("pool", type=Path)
    arguments.add_argument("--seed", default="0")
    arguments.add_argument("--until", type=float, help="of the monotonic clock")
    arguments.add_argument("--input", type=Path, nargs="*", help="execute these alone")
    given = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    target = {**TARGETS, **PLANTED}[given.target]
    loop = FuzzLoop(target, Slot(given.slot), given.seed)
    if given.input:
        limit_memory(target.memory)
        for path in given.input:
            loop.one(path.read_bytes(), traced=False)
        return
    corpus = [path.read_bytes() for path in corpus_of(given.target)]
    loop.fuzz(corpus, Pool(given.pool), given.until)


if __name__ == "__main__":
    main()
