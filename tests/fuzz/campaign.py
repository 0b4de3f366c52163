"""Fuzzing campaign of one target: consecutive child processes, and a file for every kind of finding."""

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
from tests.paths import ROOT

CHECKED = {
    # Since glibc 2.34 the checks are in a separate library. Every free() then checks the bytes before and after the
    # block, so that an overrun by a single byte aborts (glibc manual, "Heap Consistency Checking").
    "LD_PRELOAD": "libc_malloc_debug.so.0",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    # Freed and uninitialised memory is filled, and thus not zero by chance (mallopt(3)).
    "MALLOC_PERTURB_": "165",
    # Small blocks too: Python's own allocator would take them from large ones.
    "PYTHONMALLOC": "malloc",
    # One thread per input, as far as the libraries have a setting.
    "OPENCV_FOR_THREADS_NUM": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""Environment of the children."""

CHILD = ("-W", "error", "-m", "tests.fuzz.child")
"""Arguments of Python; a warning is an error, as in the other tests."""

HANGS_AFTER = 60.0
"""Seconds of wall clock after which an input hangs, even without CPU time; more than a loaded machine needs."""

POLL_INTERVAL = 0.05
"""Seconds."""

LONGEST_KIND = 120
"""Characters of an error message by which kinds of findings are distinguished."""

_STARTS = ("Traceback (most recent call last)", "Fatal Python error", "Current thread", "Thread 0x")
"""First words of a traceback or of the stack of a crash."""

LINES_BEFORE = 2
"""Lines before the stack that are kept, for glibc's message; earlier ones are warnings of libraries."""

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


@dataclass(frozen=True)
class Finding:
    """One kind of fault."""

    target: str
    kind: str
    """Error and place, such as `SIGABRT at service/images/opencv.py:164`."""
    report: str
    """Output of the child: traceback, or glibc's message and the stack."""
    path: Path
    """The input; its report is in the same folder."""


@dataclass
class Outcome:
    """Result of a target's campaign."""

    target: str
    seconds: float = 0.0
    executions: int = 0
    features: int = 0
    """Number of reached lines and error messages."""
    findings: dict[str, Finding] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    """Number of findings by kind."""


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
                pool.exclude(data)
                kind = _kind(status, report)
                outcome.times[kind] = outcome.times.get(kind, 0) + 1
                if kind not in outcome.findings:
                    outcome.findings[kind] = _kept(Finding(target, kind, report, artefacts), data)
            child += 1
    outcome.seconds = time.monotonic() - started
    return outcome


def execute(target: str, inputs: Sequence[Path]) -> tuple[int, str]:
    """Executes files in one child. Returns its exit status, 0 if none is a finding, and its output."""
    with tempfile.TemporaryDirectory() as folder:
        slot = Slot(Path(folder) / "slot")
        return _child(target, slot, Pool(Path(folder)), "--input", *(str(path.resolve()) for path in inputs))


def _child(target: str, slot: Slot, pool: Pool, *arguments: str) -> tuple[int, str]:
    # In append mode, since the child truncates it regularly.
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
                time.sleep(POLL_INTERVAL)
                begun = slot.read()[2]
                if begun and time.monotonic() - begun > HANGS_AFTER:
                    process.send_signal(signal.SIGPROF)
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return process.returncode, _report(errors.read().decode(errors="replace"))


def _report(written: str) -> str:
    """Traceback, stack or message in the output of a child."""
    lines = written.strip().splitlines()
    starts = (number for number, line in enumerate(lines) if any(start in line for start in _STARTS))
    first = next(starts, len(lines))
    return "\n".join(lines[max(first - LINES_BEFORE, 0) :])


def _kind(status: int, report: str) -> str:
    """Cause of a child's death, and the innermost line of this project in its stack."""
    frames = _FRAME.findall(report)
    if status == FOUND_EXCEPTION:
        cause = VARYING.sub("", report.strip().splitlines()[-1])[:LONGEST_KIND]
        frames.reverse()
    else:
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    ours = [
        f"{Path(name).relative_to(ROOT)}:{line}"
        for name, line in frames
        if Path(name).is_relative_to(ROOT)
        and "site-packages" not in name
        and not name.endswith("fuzz/child.py")
    ]
    return f"{cause} at {ours[0] if ours else 'an unknown place'}"


def _kept(finding: Finding, data: bytes) -> Finding:
    """Writes input and report of a finding to a folder of its target below `finding.path`."""
    folder = finding.path / finding.target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(finding.kind.encode() + data).hexdigest()[:16]
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(f"{finding.kind}\n\n{finding.report}\n")
    return replace(finding, path=path)
