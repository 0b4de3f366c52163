"""Faults of a decoder child: causes, retries, and the error for the caller."""

import os
import signal

from service.images.errors import UndecodableImage
from service.ipc.signal_names import signal_name

CPU_TIME = "CPU time"
MEMORY = "memory limit"
MALFORMED = "malformed reply"
NO_REPLY = "no reply"
LOST = "no decoder process"
"""The fork server has ended, or could not fork."""
KILLED = signal.SIGKILL.name
"""Fault of a child that the kernel's out-of-memory killer ended."""


class DecodersUnavailable(Exception):
    """No child can be started: a fault of the machine, independent of the image."""


class Fault(Exception):
    """Failure of a child: its exit, or a missing or invalid reply. `name` is for the log and the metrics."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    @property
    def is_retryable(self) -> bool:
        """True if a fresh child may succeed. An image that exceeded its CPU time would exceed it again."""
        return self.name != CPU_TIME

    def caller_error(self) -> Exception:
        """The exception for the caller after the last try."""
        if self.name == LOST:
            return DecodersUnavailable("no process for decoding can be started")
        if self.name in (KILLED, NO_MEMORY):
            return MemoryError(f"a decoder ended with {self.name}, which is the effect of exhausted memory")
        return UndecodableImage(f"The image is damaged: {SENTENCES.get(self.name) or _ended(self.name)}.")


NO_MEMORY_STATUS = 12
"""Exit status of a child without memory for its reply (ENOMEM)."""
NO_MEMORY = f"exit status {NO_MEMORY_STATUS}"

SENTENCES = {
    CPU_TIME: "its decoder took far more time than any image of its size should",
    MEMORY: "its decoder took far more memory than any image of its size should",
    MALFORMED: "its decoder gave an answer that cannot be right",
    NO_REPLY: "its decoder gave no answer",
}


def _ended(name: str) -> str:
    return f"its decoder ended with {name}"


def from_wait_status(status: int | None) -> Fault:
    """The fault of a child that exited by itself, from its status of wait(2); None if there was no child."""
    if status is None:
        return Fault(LOST)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return Fault(f"exit status {code}")
    number = -code
    if number == signal.SIGPROF:
        return Fault(CPU_TIME)
    return Fault(signal_name(number))
