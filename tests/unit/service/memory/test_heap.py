"""Memory of freed arrays is returned to the system."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

_HELD = """
import sys
import numpy as np
from service.memory.heap import map_large_blocks

def resident():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1])

if sys.argv[1] == "yes":
    assert map_large_blocks()
np.ones(31 << 20, np.uint8)  # freed at once: glibc raises its threshold to this size
before = resident()
large = [np.ones(20 << 20, np.uint8) for _ in range(10)]
last = bytearray(64 << 10)  # above the arrays if they are in the heap, which then cannot shrink
large.clear()
print(resident() - before)
"""


def _held(by: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _HELD, by], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and statistics of glibc")
def test_returns_large_blocks_to_the_system() -> None:
    assert _held("yes") < 20_000
    assert _held("no") > 100_000, "glibc returns them by default: service.memory.heap can be deleted"
