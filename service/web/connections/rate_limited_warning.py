"""Rate-limited log messages: one line a period, with the number of times."""

import logging
import time

PERIOD = 60.0
"""Seconds between two lines of one kind."""


class RateLimitedWarning:
    """A warning of one kind. The first is logged at once; those that follow are counted for the next line."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._times = 0
        self._quiet_until = 0.0

    def warning(self, message: str, *arguments: object) -> None:
        """Logs the message, formatted as logging does, unless a period is not over; costs nothing then."""
        self._times += 1
        now = time.monotonic()
        if now < self._quiet_until:
            return
        times, self._times = self._times, 0
        self._quiet_until = now + PERIOD
        if times > 1:
            message, arguments = message + " (%d times since the last such line)", (*arguments, times)
        self._log.warning(message, *arguments)
