"""The sampled peak of a real process tree."""

import subprocess
import sys

import pytest

from benchmarks.process_cost.peak import SampledPeak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_CODE = """
import subprocess, sys, time
child = None
for line in sys.stdin:
    if child:
        child.kill()
        child.wait()
    code = "memory = bytearray(100 << 20); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
    child.stdout.readline()
    time.sleep(0.3)
    child.communicate(b"\\n")
    print("done", flush=True)
"""


def test_memory_of_a_child_that_has_ended_is_in_the_peak() -> None:
    with subprocess.Popen([sys.executable, "-c", _CODE], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with SampledPeak(process.pid) as sampled:
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
        assert 100 < sampled.peak < 150
        with SampledPeak(process.pid) as idle:
            pass
        assert idle.peak < 50
