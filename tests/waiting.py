"""Polling for a condition of another process, with a deadline."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds after which something hangs; no test measures the speed of the machine with it."""


def eventually(condition: str, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Polls `holds` until it is true. `condition` describes it in the AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(0.002)
