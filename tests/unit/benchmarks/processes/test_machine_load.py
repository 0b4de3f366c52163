"""Load by other processes: the own processes do not count, and others do."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.processes.machine_load import LoadMeter, sampled
from benchmarks.processes.process_tree import cpu_seconds

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.not_quick,
]
BURN = "import time\nend = time.monotonic() + 1.0\nwhile time.monotonic() < end: pass\n"
TICKS = 0.1
"""Allowed error in processors: times in /proc are in ticks of 10 ms."""


def test_own_processes_do_not_count() -> None:
    """One busy child per processor: counted as others, they would exceed the number of processors."""
    processors = os.cpu_count() or 1
    meter, start, before = LoadMeter(), time.monotonic(), cpu_seconds(os.getpid())
    children = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(processors)]
    assert [child.wait() for child in children] == [0] * processors
    own = (cpu_seconds(os.getpid()) - before) / (time.monotonic() - start)
    assert own > 0
    load = meter.read()
    assert load.others + own + load.steal <= processors * (1 + TICKS)


def test_a_process_outside_the_tree_counts() -> None:
    meter, start = LoadMeter(), time.monotonic()
    shell = f"{sys.executable} -c '{BURN}' >/dev/null & echo $!"
    started = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, check=True)
    orphan = int(started.stdout)
    time.sleep(0.7)
    spent = cpu_seconds(orphan) / (time.monotonic() - start)
    assert meter.read().others >= spent - TICKS


def test_a_sample_is_within_the_processors() -> None:
    load = sampled(0.2)
    assert 0 <= load.others <= (os.cpu_count() or 1) * (1 + TICKS)
    assert load.steal >= 0
