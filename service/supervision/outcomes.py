"""Exceptions of the supervisor: a photo without an answer, a worker that is not ready."""


class Refused(Exception):
    """Rejection of a photo, with an HTTP status, because of a fault of the request or a limit that the operator set."""

    def __init__(self, status: int, reason: str, error: str = "Refused") -> None:
        """`error`: name of the worker's exception, for the access log."""
        super().__init__(reason)
        self.status = status
        self.error = error


class WorkerFault(RuntimeError):
    """Failure of the service on a valid photo."""


class NotReady(Exception):
    """The worker is starting; photos wait for it."""


class NeverReady(Exception):
    """No worker could be started; the service is about to stop."""
