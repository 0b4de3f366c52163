"""Restriction of a program to some of its cores."""

import os
import subprocess
import sys

import pytest

from benchmarks.processes import cores
from benchmarks.processes.running import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cores can be chosen on Linux only")

_HELD = """
import os, sys
print("started", flush=True)
from benchmarks.processes import cores
cores.restrict_to(1)
print(len(os.sched_getaffinity(0)), sys.argv[1:])
"""


def test_reexecutes_the_program_on_its_cores() -> None:
    lines = subprocess.run(
        [sys.executable, "-c", _HELD, "an argument"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    several = len(os.sched_getaffinity(0)) > 1
    assert lines.count("started") == (2 if several else 1)
    assert lines[-1] == "1 ['an argument']"


@pytest.mark.parametrize("number", [0, 100_000])
def test_rejects_an_impossible_number_of_cores(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} cores were requested"):
        cores.restrict_to(number)
