"""Minimum rate of a transfer, in either direction: a token bucket of seconds."""

MINIMUM_RATE = 1024
"""Bytes a second. GPRS, the slowest network of telephones, has 2 to 4 KiB a second upwards; a phone's uplink that
several workers share still gives each a few KiB."""


class MinimumRate:
    """The seconds that a caller has left.

    It has `patience` of them. Time in which the service waits for it is taken off, and the bytes that are transferred
    put a second on for each MINIMUM_RATE of them, up to `patience`. So the bucket is empty after `patience` seconds of
    silence, and never for a caller that keeps MINIMUM_RATE. Time in which the service does not wait counts nothing.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.left = patience

    def count(self, waited: float, transferred: int) -> None:
        """Takes off the seconds that the service waited, and puts on what the transferred bytes are worth."""
        self.left = min(self._patience, self.left - waited + transferred / MINIMUM_RATE)
