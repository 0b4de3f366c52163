"""HTTP statuses of all errors, with causes and paths: the table of the document and of docs/reference/http-api.md.

`service.web.errors` and `service.pipeline.refusals` map exceptions to these statuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ERROR = "Error"
"""Start of the name of a response in the document; the status follows."""

PHOTO = ("/detect", "/compute")
KEYED = (*PHOTO, "/open", "/info")
WORKER = (*KEYED, "/ready")
"""Paths that need a worker process."""


@dataclass(frozen=True)
class ErrorStatus:
    """A status of an error."""

    code: int
    cause: str
    """In Markdown, for the person who sends the request."""
    paths: tuple[str, ...] = ()
    """Paths that answer with it; none stands for all paths."""
    answers_operation: bool = True
    """False if the request names no path and method of the document."""

    @property
    def name(self) -> str:
        """Name of the response in the document."""
        return f"{ERROR}{self.code}"

    def concerns(self, path: str) -> bool:
        """True if a request to this path can be answered with it."""
        return self.answers_operation and path in (self.paths or (path,))


ERRORS: Mapping[int, ErrorStatus] = MappingProxyType(
    {
        status.code: status
        for status in (
            ErrorStatus(
                400,
                "a malformed request; of a photo: no form, a damaged one, or one without a file in `file`",
            ),
            ErrorStatus(
                401, "no key, or a wrong one; `/metrics`: only if it has a key", (*KEYED, "/metrics")
            ),
            ErrorStatus(404, "no such path", answers_operation=False),
            ErrorStatus(405, "another method than the path has", answers_operation=False),
            ErrorStatus(
                408,
                "an upload that stalled for `FACE_PATIENCE`, or was below 1,024 bytes a second over it",
                PHOTO,
            ),
            ErrorStatus(
                412,
                "too many pixels: more than 17/16 of `FACE_MAXIMUM_AREA` (`/detect`), or "
                "`FACE_MAXIMUM_ORIGINAL_AREA` (`/compute`)",
                PHOTO,
            ),
            ErrorStatus(413, "a body beyond `FACE_MAXIMUM_UPLOAD`", PHOTO),
            ErrorStatus(
                415,
                "empty, no image, damaged, a format that is not accepted, or an image that ended its process twice "
                "or exceeded its CPU time",
                PHOTO,
            ),
            ErrorStatus(422, "no valid face in `face`, or a face wholly outside of the photo", ("/compute",)),
            ErrorStatus(431, "a head that is too long: 64 KiB or more"),
            ErrorStatus(
                500, "a fault of the service; the log has a traceback under the request number in the message"
            ),
            ErrorStatus(501, "a transfer coding other than chunked"),
            ErrorStatus(
                503,
                "the service cannot compute; of a photo also: no memory for it even alone, or `REQ_TIMEOUT` reached; "
                "of `/health`: no further worker process is started; of `/events`: too many streams",
                (*WORKER, "/health", "/events"),
            ),
            ErrorStatus(505, "another version of HTTP than 1.0 or 1.1"),
        )
    }
)
"""Errors by status. All are JSON, `answers.Error`."""

BEFORE_THE_APPLICATION = frozenset({400, 431, 501, 505})
"""Errors that the HTTP parser answers before a request has a number: without `x-request-id`."""


def markdown_rows() -> list[str]:
    """Rows of the table in docs/reference/http-api.md."""
    return [
        f"| {status.code} | {', '.join(f'`{path}`' for path in status.paths) or 'all'} | {status.cause} |"
        for status in ERRORS.values()
    ]
