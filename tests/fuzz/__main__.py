"""Coverage-guided fuzzing of all that reads bytes from outside: `python -m tests.fuzz --seconds 600`.

Each target (targets.py) is a function that may raise its documented errors and nothing else. Mutated files of a small
corpus are executed in child processes, with glibc's heap checks on and memory and CPU time limited; what kills a child,
hangs, takes too much memory or raises something else is a finding. Its input is left in a folder, and the exit status
is 1. `python -m tests.fuzz TARGET FILE` executes an input once more.

Not Atheris (libFuzzer for Python): its wheels are for x86-64 alone and the newest release has none for Python 3.11. It
ends with the first finding, and the native decoders give it no coverage as they are installed. On the .dat reader it
made 1,600 executions per second, without heap checks; this makes 860 with them. Nor Hypothesis, whose generators draw
values for a schema: damaged files need mutations of whole ones.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.campaign import Finding, execute, fuzz
from tests.fuzz.targets import TARGETS

ARTEFACTS = Path("fuzz-findings")
SECONDS = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("target", nargs="?", default="all", help="all, or one of " + ", ".join(TARGETS))
    parser.add_argument("file", nargs="*", type=Path, help="inputs to execute, and no others")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all targets together")
    parser.add_argument("--seed", type=int, help="of the mutations; the clock's by default")
    parser.add_argument(
        "--artefacts", type=Path, default=ARTEFACTS, help="folder for inputs that are findings"
    )
    given = parser.parse_args()
    if given.target != "all" and given.target not in TARGETS:
        parser.error(f"there is no target {given.target!r}: {', '.join(TARGETS)}")
    if given.file:
        if given.target == "all":
            parser.error("which target shall execute these files?")
        status, report = execute(given.target, given.file)
        print(report + f"exit status {status}" if status else "no finding")
        return int(status != 0)
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    targets = tuple(TARGETS) if given.target == "all" else (given.target,)
    findings = _run(targets, given.seconds, seed, given.artefacts)
    for finding in findings:
        print(f"\n{finding.target}: {finding.kind}\n{finding.report.strip()}\nagain: {_again(finding)}")
    return int(bool(findings))


def _run(targets: tuple[str, ...], seconds: float, seed: int, artefacts: Path) -> list[Finding]:
    weights = sum(TARGETS[name].weight for name in targets)
    findings: list[Finding] = []
    print(
        f"seed {seed}\n{'target':<14} {'seconds':>8} {'executions':>11} {'a second':>9} {'reached':>8} findings"
    )
    for name in targets:
        outcome = fuzz(name, seconds * TARGETS[name].weight / weights, seed, artefacts)
        findings += outcome.findings.values()
        kinds = ", ".join(f"{kind} ({outcome.times[kind]} times)" for kind in outcome.findings)
        pace = outcome.executions / outcome.seconds
        figures = f"{outcome.seconds:>8.1f} {outcome.executions:>11} {pace:>9.0f} {outcome.features:>8}"
        print(f"{name:<14} {figures} {kinds or 0}", flush=True)
    return findings


def _again(finding: Finding) -> str:
    return f"python -m tests.fuzz {finding.target} {finding.path}"


if __name__ == "__main__":
    sys.exit(main())
