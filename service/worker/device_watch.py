"""Watch of the calls of a device: one that does not return within a deadline ends the worker."""

import logging
import os
import threading
import time
from collections.abc import Callable

from service.messages import DEVICE_FAULT
from service.recognition.ort import device_calls

log = logging.getLogger(__name__)

DEADLINE = 120.0
"""Seconds for one call of a device. The largest run, a strip of four megapixels, takes 110 billion operations: a tenth
of that on the slowest integrated GPUs. The first run of a size also compiles shaders, for ten seconds."""
LOOKS = 12
"""Number of looks within the deadline. Looks are counted, and not seconds: a process that was stopped for minutes
(SIGSTOP), or whose machine slept, has not waited for its device in them."""
GRACE = 5.0
"""Seconds for a regular end after the deadline. The event loop cannot run while the hanging call blocks it."""


class DeviceWatch:
    """A daemon thread that calls `hangs` with the reason in one line, and ends the process GRACE seconds later."""

    def __init__(self, hangs: Callable[[str], None]) -> None:
        self._hangs = hangs
        self._is_started = False

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if not self._is_started:
            self._is_started = True
            threading.Thread(target=self._watch, name="device watch", daemon=True).start()

    def _watch(self) -> None:
        seen: dict[int, int] = {}
        """Number of looks at which a call was in progress, by the number of the call."""
        while max(seen.values(), default=0) <= LOOKS:
            time.sleep(DEADLINE / LOOKS)
            seen = {call: seen.get(call, 0) + 1 for call in device_calls.in_progress()}
        reason = f"a call of its driver has not returned within {DEADLINE:.0f} seconds"
        self._hangs(reason)
        time.sleep(GRACE)
        log.error("the device hangs, and so does this process: %s", reason)
        os._exit(DEVICE_FAULT)
