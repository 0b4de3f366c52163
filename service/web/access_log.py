"""Access log with one line per request, and the answer 500 to an unexpected exception.

Keys, file names, query strings and bodies never reach the log.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.activity import PHOTO_PATHS, ActivityLog
from service.logs import FIELDS
from service.web.ended_photos import ended_photo
from service.web.metrics import Metrics
from service.web.request_ids import HEADER, REQUEST_ID, request_id
from service.web.responses import ERROR_NAME, error_response

log = logging.getLogger(__name__)

MAXIMUM_PATH = 100
"""Maximum number of bytes of a path that are logged; the paths of the service are far shorter."""
MAXIMUM_METHOD = 20
"""Maximum number of characters of a method that are logged. IANA's longest method, UPDATEREDIRECTREF, has 17."""


class AccessLog:
    """Middleware: logs and counts method, path, status, duration and the request id.

    The id is in the request's state (REQUEST_ID), and in the answer's header `x-request-id`.

    Requests with a photo are recorded in the `ActivityLog`.

    Errors other than 404, 405 and 500 add the name of their class: a 415 is an `UndecodableImage` or an `EmptyUpload`.

    An exception without a handler is logged with its traceback and answered with 500.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, activity: ActivityLog) -> None:
        self._app = app
        self._metrics = metrics
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = request_id(scope)
        scope.setdefault("state", {})[REQUEST_ID] = number
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (HEADER.encode("ascii"), number.encode("ascii")),
                ]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request %s failed", number)
            if status:
                raise
            failure = error_response(500, f"internal error; the service's log has it under {number}")
            await failure(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.in_flight.dec()
            self._metrics.answered(scope["path"], status, seconds)
            if scope["path"] in PHOTO_PATHS and status:
                self._activity.ended(ended_photo(scope, status))
            fields = {
                "method": scope["method"][:MAXIMUM_METHOD],
                "path": _logged_path(scope),
                "status": status,
                "milliseconds": round(1000 * seconds),
                "request": number,
            }
            line = "%(method)s %(path)s %(status)d %(milliseconds)d ms %(request)s"
            if error := scope.get("state", {}).get(ERROR_NAME):
                fields["error"] = error
                line += " %(error)s"
            log.info(
                line,
                fields,
                extra={FIELDS: fields},
            )


def _logged_path(scope: Scope) -> str:
    # The raw path is still percent-encoded, so that it cannot forge a line of the log.
    raw: bytes = scope.get("raw_path") or scope["path"].encode("ascii", "backslashreplace")
    return ascii(raw[:MAXIMUM_PATH])[2:-1]
