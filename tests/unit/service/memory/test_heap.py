"""Memory of freed arrays: large ones are returned to the system, and smaller ones are reused."""

import subprocess
import sys

import pytest

from service.memory.heap import WORKER_KEEPS
from tests.paths import ROOT

_HELD = """
import sys
import numpy as np
from service.memory.heap import WORKER_KEEPS, keep_free

def resident():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1])

if sys.argv[1] == "yes":
    assert keep_free(WORKER_KEEPS)
np.ones(31 << 20, np.uint8)  # freed at once: glibc raises its threshold to this size
before = resident()
large = [np.ones(20 << 20, np.uint8) for _ in range(10)]
last = bytearray(64 << 10)  # above the arrays if they are in the heap, which then cannot shrink
large.clear()
print(resident() - before)
"""


def _output(program: str, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and statistics of glibc")
def test_returns_large_blocks_to_the_system() -> None:
    assert _output(_HELD, "yes") < 20_000
    assert _output(_HELD, "no") > 100_000, "glibc returns them by default: service.memory.heap can be deleted"


_FAULTS = """
import resource
import sys
import numpy as np
from service.memory.heap import keep_free

assert keep_free(int(sys.argv[1]) << 20)
size = 3 << 20
np.ones(size, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(size, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults of glibc's heap")
def test_smaller_blocks_are_reused_without_page_faults() -> None:
    """Blocks of 3 MiB, the size of many arrays of a photo."""
    assert _output(_FAULTS, str(WORKER_KEEPS >> 20)) < 100
    assert _output(_FAULTS, "1") > 1_000  # 7,680 pages of 4 KiB, fewer where they are huge


_TRIMMED = """
import numpy as np
from service.memory.heap import WORKER_KEEPS, keep_free, trim

def resident():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1])

assert keep_free(WORKER_KEEPS)
freed, kept = [], []
for _ in range(20):
    freed.append(np.ones(1 << 20, np.uint8))
    kept.append(bytearray(64 << 10))  # between the freed blocks, so that the heap cannot shrink
freed.clear()
before = resident()
trim()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and the heap of glibc")
def test_trimming_returns_free_memory_to_the_system() -> None:
    assert _output(_TRIMMED) > 15_000
