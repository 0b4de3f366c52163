"""Minimum rate of a transfer, in either direction: a token bucket of seconds."""

MINIMUM_RATE = 1024
"""Bytes a second. GPRS, the slowest mobile network, has an uplink of 2 to 4 KiB a second. A faster uplink that several
transfers share still has a few KiB a second for each."""


class MinimumRate:
    """Token bucket of seconds for one transfer; it is stalled when the bucket is empty.

    The bucket starts with `patience` seconds, its capacity. Time in which the service waits for the caller is
    subtracted, and a second is added for each MINIMUM_RATE bytes that are transferred. So the bucket is empty after
    `patience` seconds without a byte, and never at MINIMUM_RATE or above. Other time is not counted.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.left = patience

    def count(self, waited: float, transferred: int) -> None:
        """Subtract seconds of waiting, and add those for the transferred bytes."""
        self.left = min(self._patience, self.left - waited + transferred / MINIMUM_RATE)
