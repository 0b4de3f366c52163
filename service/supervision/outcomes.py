"""Exceptions for a photo without an answer, and for a worker that is not ready."""


class Refused(Exception):
    """A fault of the request, or a limit of the operator's, with its HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class WorkerFault(RuntimeError):
    """A photo could not be computed, through no fault of its own."""


class NotReady(Exception):
    """The worker is being started; photos wait for it."""


class NeverReady(Exception):
    """No worker could be started; the service is about to stop."""
