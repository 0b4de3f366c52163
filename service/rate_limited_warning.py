"""Rate-limited log warnings: one line per period, with the number of occurrences."""

import logging
import time

PERIOD = 60.0
"""Seconds between two lines of one warning."""


class RateLimitedWarning:
    """One warning. The first occurrence is logged at once; those within PERIOD are counted for the next line."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._times = 0
        self._quiet_until = 0.0

    def warning(self, message: str, *arguments: object) -> None:
        """Log the message with logging's formatting, or only count it within PERIOD."""
        self._times += 1
        now = time.monotonic()
        if now < self._quiet_until:
            return
        times, self._times = self._times, 0
        self._quiet_until = now + PERIOD
        if times > 1:
            message, arguments = message + " (%d times since the last such line)", (*arguments, times)
        self._log.warning(message, *arguments)
