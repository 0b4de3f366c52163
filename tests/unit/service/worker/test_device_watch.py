"""The watch of a device in a process of its own, which it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.messages import DEVICE_FAULT
from tests.paths import ROOT

SCRIPT = """
import sys, time
from service.recognition.ort import device_calls
from service.worker import device_watch

device_watch.DEADLINE, device_watch.GRACE = 0.2, 0.1
device_watch.DeviceWatch(print).start()
if sys.argv[1] == "hangs":
    with device_calls.recorded():
        time.sleep(20)
for _ in range(6):
    with device_calls.recorded():
        time.sleep(0.1)
"""


@pytest.mark.not_quick
@pytest.mark.parametrize(("calls", "status"), [("hangs", DEVICE_FAULT), ("return", 0)])
def test_a_call_that_blocks_the_process_ends_it(calls: str, status: int) -> None:
    """As while the worker opens a device: the event loop cannot run until the call returns."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, calls], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    assert ("the device hangs" in done.stderr) == (status == DEVICE_FAULT)
