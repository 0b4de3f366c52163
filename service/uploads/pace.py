"""The slowest pace of an upload: a token bucket of seconds."""

MINIMUM_RATE = 1024
"""Bytes a second. A phone's uplink that several workers share still gives each a few KiB."""


class Pace:
    """The seconds that a caller has left.

    It has `patience` of them. Time in which the service waits for it is taken off, and the bytes that come put a
    second on for each MINIMUM_RATE of them, up to `patience`. So the bucket is empty after `patience` seconds of
    silence, and never for a caller that sends at MINIMUM_RATE. Time in which the service does not read counts nothing.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.left = patience

    def count(self, waited: float, received: int) -> None:
        """Takes off the seconds that the service waited, and puts on what the bytes received are worth."""
        self.left = min(self._patience, self.left - waited + received / MINIMUM_RATE)
