"""The process that executes mutated inputs of one target, under limits, until its time is up or an input is a finding.

A finding ends the process: an exception that is not one of the target's documented errors (FOUND_EXCEPTION, with the
traceback), an abort by glibc, a signal, or SIGPROF after too much CPU time; faulthandler writes the stack of each.
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
from tests.fuzz.targets import TARGETS, Target, corpus_of

FOUND_EXCEPTION = 70
"""Exit status where an input raised an error that the target does not document (sysexits.h, EX_SOFTWARE)."""

TRACED_PACKAGES = tuple(
    f"/{name}/"
    for name in (
        *("service", "conversion", "model_store"),
        *("PIL", "pillow_heif", "starlette", "python_multipart", "h11", "uvicorn", "json"),
    )
)
"""Folders whose lines count as coverage: the parsers in Python."""

TRACED_SHARE = 0.3
"""Of executions, those whose lines are noted; the others run at full speed."""

FROM_THE_CORPUS = 0.5
"""Share of inputs that are made from a file of the corpus, and not from a mutated one that reached new lines."""

VARYING = re.compile(r"b?'.*?'|b?\".*?\"|\w*\d\w*")
"""Parts of an error message that differ from input to input."""

EXECUTIONS_OF_OUTPUT = 1000
"""After which the output of libraries is discarded: hours of it would fill a disk."""

Feature = tuple[str, int]


class Coverage:
    """Lines of the parsers that inputs have reached, and the messages of their errors."""

    def __init__(self) -> None:
        self.features: set[Feature] = set()
        self._new: set[Feature] = set()
        self._wanted: dict[str, bool] = {}

    def run(self, function: Callable[[], str], traced: bool) -> bool:
        """Whether `function`, which gives the error it met, reached something for the first time."""
        self._new = set()
        if traced:
            sys.settrace(self._call)
        try:
            met = function()
        finally:
            sys.settrace(None)
        self._new.add((VARYING.sub("", met)[:80], 0))
        new = self._new - self.features
        self.features |= new
        return bool(new)

    def _call(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        wanted = self._wanted.get(name)
        if wanted is None:
            wanted = self._wanted[name] = any(package in name for package in TRACED_PACKAGES)
        return self._line if wanted else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "line":
            self._new.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Session:
    """The loop of one child."""

    def __init__(self, target: Target, slot: Slot, seed: str) -> None:
        self._target = target
        self._slot = slot
        self._execute, self._documented = self._target.open()
        self._coverage = Coverage()
        self._executions = 0
        self._random = random.Random(seed)

    def fuzz(self, corpus: Sequence[bytes], pool: Pool, end: float) -> None:
        """Executes all inputs that there are, limits memory, and mutates them until `end` of the monotonic clock."""
        seeds, reached = pool.usable(corpus), pool.usable(pool.inputs())
        for data in (*seeds, *reached):
            self.one(data, traced=True)
        limit_memory(self._target.memory)
        mutator = Mutator(self._random, self._target.tokens)
        while time.monotonic() < end:
            from_seeds = not reached or self._random.random() < FROM_THE_CORPUS
            data = self._random.choice(seeds if from_seeds else reached)
            changed = mutator.mutated(data, self._random.choice(seeds))
            if self.one(changed, traced=self._random.random() < TRACED_SHARE):
                reached.append(changed)
                pool.add(changed)

    def one(self, data: bytes, traced: bool) -> bool:
        """Executes an input; gives whether it reached something new. Ends the process where it is a finding."""
        # Comes as SIGPROF, for CPU time spent in whatever thread. RLIMIT_CPU would count by ticks from the start of the
        # process, which drift by seconds from the time that process_time() gives.
        signal.setitimer(signal.ITIMER_PROF, self._target.cpu_seconds)
        self._slot.begin(self._executions, len(self._coverage.features), time.monotonic(), data)
        try:
            new = self._coverage.run(lambda: self._met(data), traced)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            # As the process stands: threads and event loops of the target have no say.
            os._exit(FOUND_EXCEPTION)
        self._executions += 1
        if self._executions % EXECUTIONS_OF_OUTPUT == 0:
            os.ftruncate(sys.stderr.fileno(), 0)
        self._slot.end(self._executions, len(self._coverage.features))
        return new

    def _met(self, data: bytes) -> str:
        try:
            self._execute(data)
        except self._documented as error:
            return f"{type(error).__name__} {error}"
        return "nothing"


def limit_memory(more: int) -> None:
    """Lets the process allocate `more` bytes than it has.

    By RLIMIT_DATA and not by RLIMIT_AS, which counts libraries that are loaded late, too.
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
    session = Session(target, Slot(given.slot), given.seed)
    if given.input:
        limit_memory(target.memory)
        for path in given.input:
            session.one(path.read_bytes(), traced=False)
        return
    corpus = [path.read_bytes() for path in corpus_of(given.target)]
    session.fuzz(corpus, Pool(given.pool), given.until)


if __name__ == "__main__":
    main()
