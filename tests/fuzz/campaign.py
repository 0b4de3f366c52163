"""Fuzzing of a target for some seconds: one child after the other, and a file for every kind of finding."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.fuzz.child import FOUND_EXCEPTION, VARYING
from tests.fuzz.pool import Pool
from tests.fuzz.slot import Slot

ROOT = Path(__file__).parents[2]

CHECKED = {
    # glibc from 2.34 on has the checks in a library of its own. Every free() then looks at the bytes before and after
    # the block, so that an overrun by a single byte aborts (glibc manual, "Heap Consistency Checking").
    "LD_PRELOAD": "libc_malloc_debug.so.0",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    # What was freed or never written is no zero by chance (mallopt(3)).
    "MALLOC_PERTURB_": "165",
    # Small blocks too: Python's own allocator would hand them out of large ones.
    "PYTHONMALLOC": "malloc",
    # One input, one thread, as far as the libraries let themselves be asked.
    "OPENCV_FOR_THREADS_NUM": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""Environment of the children."""

CHILD = ("-W", "error", "-m", "tests.fuzz.child")
"""Of Python's arguments; a warning is an error, as in the other tests."""

HANGS_AFTER = 60.0
"""Seconds on the clock after which an input that takes no CPU time hangs; more than a loaded machine needs."""

LOOKS_EVERY = 0.05
"""Seconds."""

LONGEST_KIND = 120
"""Characters of an error's message that tell one kind of finding from another."""

_STARTS = ("Traceback (most recent call last)", "Fatal Python error", "Current thread", "Thread 0x")
"""How a traceback or the stack of a crash begins."""

BEFORE = 2
"""Lines before it that are kept, for glibc's message; all earlier ones are warnings of libraries."""

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


@dataclass(frozen=True)
class Finding:
    """One kind of fault."""

    target: str
    kind: str
    """What happened and where, such as `SIGABRT at service/images/opencv.py:164`."""
    report: str
    """What the child wrote: traceback, or glibc's message and the stack."""
    path: Path
    """The input; its report is beside it."""


@dataclass
class Outcome:
    """What came of a target."""

    target: str
    seconds: float = 0.0
    executions: int = 0
    features: int = 0
    """Lines and error messages that were reached."""
    findings: dict[str, Finding] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    """How often each kind of finding was met."""


def fuzz(target: str, seconds: float, seed: int, artefacts: Path) -> Outcome:
    """Mutates the target's corpus for about `seconds`. Inputs of findings are left in `artefacts`."""
    outcome = Outcome(target)
    started = time.monotonic()
    end = started + seconds
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder))
        child = 0
        while child == 0 or time.monotonic() < end:
            slot = Slot(Path(folder) / f"slot{child}")
            status, report = _child(target, slot, pool, "--seed", f"{seed}.{child}", "--until", str(end))
            executions, features, _, data = slot.read()
            outcome.executions += executions
            outcome.features = max(outcome.features, features)
            if status != 0:
                pool.refuse(data)
                kind = _kind(status, report)
                outcome.times[kind] = outcome.times.get(kind, 0) + 1
                if kind not in outcome.findings:
                    outcome.findings[kind] = _kept(Finding(target, kind, report, artefacts), data)
            child += 1
    outcome.seconds = time.monotonic() - started
    return outcome


def execute(target: str, inputs: Sequence[Path]) -> tuple[int, str]:
    """Executes files in one child. Gives its exit status, 0 where none is a finding, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        slot = Slot(Path(folder) / "slot")
        return _child(target, slot, Pool(Path(folder)), "--input", *(str(path.resolve()) for path in inputs))


def _child(target: str, slot: Slot, pool: Pool, *arguments: str) -> tuple[int, str]:
    # In append mode, since the child cuts it off now and then.
    with tempfile.TemporaryFile("a+b") as errors:
        process = subprocess.Popen(
            [sys.executable, *CHILD, target, slot.path, pool.folder, *arguments],
            cwd=ROOT,
            env={**os.environ, **CHECKED, "TMPDIR": str(pool.folder)},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
        try:
            while process.poll() is None:
                time.sleep(LOOKS_EVERY)
                begun = slot.read()[2]
                if begun and time.monotonic() - begun > HANGS_AFTER:
                    process.send_signal(signal.SIGPROF)
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return process.returncode, _report(errors.read().decode(errors="replace"))


def _report(written: str) -> str:
    """The traceback, stack or message in what a child wrote."""
    lines = written.strip().splitlines()
    starts = (number for number, line in enumerate(lines) if any(start in line for start in _STARTS))
    first = next(starts, len(lines))
    return "\n".join(lines[max(first - BEFORE, 0) :])


def _kind(status: int, report: str) -> str:
    """What a child died of, and the innermost line of this project that it died in."""
    frames = _FRAME.findall(report)
    if status == FOUND_EXCEPTION:
        what = VARYING.sub("", report.strip().splitlines()[-1])[:LONGEST_KIND]
        frames.reverse()
    else:
        what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    ours = [
        f"{Path(name).relative_to(ROOT)}:{line}"
        for name, line in frames
        if Path(name).is_relative_to(ROOT)
        and "site-packages" not in name
        and not name.endswith("fuzz/child.py")
    ]
    return f"{what} at {ours[0] if ours else 'an unknown place'}"


def _kept(finding: Finding, data: bytes) -> Finding:
    """The finding, its input and report written into a folder of its target below `finding.path`."""
    folder = finding.path / finding.target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(finding.kind.encode() + data).hexdigest()[:16]
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(f"{finding.kind}\n\n{finding.report}\n")
    return replace(finding, path=path)
