"""Rule for a device that fails: once more in a new worker, then the CPU, and after an hour the device again.

A driver's reset, a suspended machine or an unplugged device ends the use of a device in a process, and often not in the
next one. A second fault soon after shows that the device needs time, or a repair. No photo is lost meanwhile: a fault
of a device is never blamed on a photo.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from service.supervision.deaths import BROKEN_ENGINE, FAULTY_DEVICE, MALFORMED, Death
from service.text import printable

log = logging.getLogger(__name__)

QUARANTINE_SECONDS = 3600.0
"""Time on the CPU after the second fault. An attempt costs one or two starts of a worker, in which photos wait."""
FAULTS_APART_SECONDS = 3600.0
"""Time after which a fault counts as the first again."""

NO_RETURN = "a call of its driver has not returned in time"
UNUSABLE = "it failed, and the next worker process could not use it"
FAILED_RUNS = "its runs failed for several photos in a row"


class Device(NamedTuple):
    """A device that a worker has opened, or is opening."""

    provider: str
    """Value of FACE_PROVIDERS."""
    name: str | None
    """By the driver; None if it has none, or has not been asked yet."""

    def __str__(self) -> str:
        return f"{self.name} ({self.provider})" if self.name else f"the device of {self.provider}"


@dataclass(frozen=True)
class Quarantine:
    """A device that workers do not use until a time."""

    device: Device
    reason: str
    """Cause of the last fault, in one line."""
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return (
            f"{self.device} has failed ({_clock(self.since)}): {self.reason}; it is tried again after "
            f"{_clock(self.until)}"
        )


class DeviceRule:
    """State of the device between workers.

    Attributes:
        faults: number of faults by provider.
        quarantine: the device that is not used now; None without one.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._last_fault: datetime | None = None
        self._failed: Device | None = None
        """The device that ended the worker before; None once a worker is warm."""
        self.faults: Counter[str] = Counter()
        self.quarantine: Quarantine | None = None

    def failed(self, device: Device, reason: str) -> None:
        """Record a fault, and log what happens next. A second one within FAULTS_APART_SECONDS begins a quarantine."""
        self.faults[device.provider] += 1
        now, before, reason = self._now(), self._last_fault, printable(" ".join(reason.split()))
        self._last_fault, self._failed = now, device
        if before is None or now - before > timedelta(seconds=FAULTS_APART_SECONDS):
            log.error("%s has failed: %s. A new worker process tries it once more.", device, reason)
            return
        until = self._begin(device, reason)
        log.error(
            "%s has failed again: %s. The CPU computes, and the device is tried again after %s.",
            *(device, reason, _clock(until)),
        )

    def warm(self, device: Device | None) -> bool:
        """Record the device of a warm worker. Returns True if its lack, after a fault, begins a quarantine."""
        failed, self._failed = self._failed, None
        if failed is None or device is not None or self.quarantine is not None:
            return False
        until = self._begin(failed, UNUSABLE)
        log.error(
            "%s cannot be used after its fault. The CPU computes, and the device is tried again after %s.",
            *(failed, _clock(until)),
        )
        return True

    def _begin(self, device: Device, reason: str) -> datetime:
        """Begin a quarantine, and return its end."""
        now = self._now()
        self.quarantine = Quarantine(device, reason, now, now + timedelta(seconds=QUARANTINE_SECONDS))
        return self.quarantine.until

    def release(self) -> None:
        """End the quarantine. The next fault is a first one."""
        if self.quarantine is not None:
            log.warning(
                "%s is tried again, after its faults of %s",
                self.quarantine.device,
                _clock(self.quarantine.since),
            )
        self.quarantine = self._last_fault = None


def fault(
    device: Device | None, death: Death, *, ready: bool, reported: str | None, refusal: str | None
) -> str | None:
    """The fault of a device that ended a worker, in one line; None if the device is not the cause.

    Args:
        device: the device in use, or None.
        death: cause of the worker's end.
        ready: the worker was warm.
        reported: reason that the worker gave for a fault of the device.
        refusal: reason that the worker gave for its failed start.
    """
    if device is None:
        return None
    if death in _CAUSES:
        return reported or _CAUSES[death]
    if reported or refusal:
        return reported or refusal
    # A photo may exhaust the memory of a warm worker; a driver may do so while a device is opened.
    if death.unrelated or death == MALFORMED or (ready and death.out_of_memory):
        return None
    return (
        f"the worker process died ({death.cause}) while {'the device computed' if ready else 'it was opened'}"
    )


_CAUSES = {FAULTY_DEVICE: NO_RETURN, BROKEN_ENGINE: FAILED_RUNS}
"""Deaths of a worker that has seen the fault itself, and the reason if it could not report one."""


def _clock(time: datetime) -> str:
    return f"{time:%H:%M} UTC"
