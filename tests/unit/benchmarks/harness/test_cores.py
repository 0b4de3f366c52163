"""Holding a program to some of its cores."""

import os
import subprocess
import sys

import pytest

from benchmarks.harness import cores
from benchmarks.harness.running import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cores can be chosen on Linux only")

_HELD = """
import os, sys
print("started", flush=True)
from benchmarks.harness import cores
cores.hold_to(1)
print(len(os.sched_getaffinity(0)), sys.argv[1:])
"""


def test_a_program_starts_anew_on_its_cores() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _HELD, "an argument"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    several = len(os.sched_getaffinity(0)) > 1
    assert said.count("started") == (2 if several else 1)
    assert said[-1] == "1 ['an argument']"


@pytest.mark.parametrize("number", [0, 100_000])
def test_cores_that_are_not_there_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} cores were asked for"):
        cores.hold_to(number)
