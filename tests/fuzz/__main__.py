"""Coverage-guided fuzzing of all functions that read untrusted bytes: `python -m tests.fuzz --seconds 600`.

Each target (targets.py) is a function that may raise its documented errors and nothing else. Mutated files of a small
corpus are executed in child processes, with glibc's heap checks on and memory and CPU time limited; a crash,
a hang, a lack of memory or an undocumented error is a finding. Its input is written to a folder, and the exit status
is 1. `python -m tests.fuzz TARGET FILE` executes an input again.

Atheris (libFuzzer for Python) has wheels for x86-64 alone, and its newest release has none for Python 3.11. It ends at
the first finding, and gets no coverage from the native decoders as they are installed. On the .dat reader it made 1,600
executions per second without heap checks; this makes 860 with them. Hypothesis draws values for a schema, but damaged
files need mutations of valid ones.
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
    parser.add_argument("file", nargs="*", type=Path, help="inputs to execute instead of mutations")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all targets together")
    parser.add_argument("--seed", type=int, help="of the mutations; taken from the clock by default")
    parser.add_argument("--artefacts", type=Path, default=ARTEFACTS, help="folder for the inputs of findings")
    given = parser.parse_args()
    if given.target != "all" and given.target not in TARGETS:
        parser.error(f"there is no target {given.target!r}: {', '.join(TARGETS)}")
    if given.file:
        if given.target == "all":
            parser.error("files need a target")
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
