"""Operations of the service, in one table: path, method, key, request and answer."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from service.json_text import MEDIA_TYPE as JSON
from service.web.openapi import forms
from service.web.openapi.answers import Computed, Detected, Open, Ready, Welcome
from service.web.openapi.fields import reference
from service.web.openapi.info import Info
from service.web.page.status import Status

PHOTOS, APP, STATE, PAGES = "Photos", "Nextcloud app", "State", "Pages"
TAGS = {
    PHOTOS: "Faces of a photo. Photos wait while the service is busy, without a limit of time; each is answered once.",
    APP: "Requests of the Face Recognition app besides photos.",
    STATE: "State of the service, for people and monitoring.",
    PAGES: "The page with the state of the service, this document, its viewer, and their files.",
}
"""Groups of operations, and their descriptions."""

EVENTS = "text/event-stream"
TEXT, HTML, CSS, SCRIPT = "text/plain", "text/html", "text/css", "text/javascript"


@dataclass(frozen=True)
class Operation:
    """A path with its method: all paths have one."""

    path: str
    tag: str
    summary: str
    description: str
    answer: str
    """Description of the answer with status 200."""
    content: type[BaseModel] | dict[str, Any]
    """Model or schema of the answer."""
    media_type: str = JSON
    method: str = "get"
    key: bool = False
    """True if it needs an API key."""
    metrics_key: bool = False
    """True if it needs FACE_METRICS_KEY, once that is set."""
    form: dict[str, Any] | None = None
    timed: bool = False
    """True if the answer has the header `Server-Timing`."""

    @property
    def name(self) -> str:
        """Identifier, such as `detect`, or `openapi.json`."""
        return self.path.strip("/") or "page"

    @property
    def schema(self) -> dict[str, Any]:
        return self.content if isinstance(self.content, dict) else reference(self.content)


_STRING = {"type": "string"}
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "status", "description": "Name of the event."},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": reference(Status),
            "description": "The state, in JSON.",
        },
    },
    "required": ["event", "data"],
    "additionalProperties": False,
}

OPERATIONS = (
    Operation(
        path="/detect",
        method="post",
        tag=PHOTOS,
        summary="Detect the faces of a photo",
        description="Faces with edges, landmarks and descriptors. The answer is a function of the photo, the model and "
        "the weights: a request may be repeated. The photo stays in memory.",
        answer="The faces of the photo.",
        content=Detected,
        key=True,
        form=forms.DETECT,
        timed=True,
    ),
    Operation(
        path="/compute",
        method="post",
        tag=PHOTOS,
        summary="Describe a face with known edges",
        description="Landmarks and descriptor of a face that is given by its edges, on the photo at its own size. "
        "Faces are not detected.",
        answer="The face of the request with its landmarks and descriptor.",
        content=Computed,
        key=True,
        form=forms.COMPUTE,
        timed=True,
    ),
    Operation(
        path="/open",
        tag=APP,
        summary="Preferred format and largest area",
        description="It answers as soon as the networks are loaded, within milliseconds. Without a 200, the app sends "
        "no photo.",
        answer="Photos that the service accepts.",
        content=Open,
        key=True,
    ),
    Operation(
        path="/welcome",
        tag=APP,
        summary="Greeting, version and model",
        description="It names missing weights.",
        answer="A greeting.",
        content=Welcome,
    ),
    Operation(
        path="/info",
        tag=STATE,
        summary="Versions, weights, stages, sandbox and limits",
        description="For the comparison of two installations, and for reports of errors.",
        answer="The state of the service.",
        content=Info,
        key=True,
    ),
    Operation(
        path="/health",
        tag=STATE,
        summary="Liveness of the service",
        description="Also 200 while the worker process is replaced: photos wait. 503 once no further one is started: "
        "the service is about to end.",
        answer="The text `ok`.",
        content={"type": "string", "const": "ok"},
        media_type=TEXT,
    ),
    Operation(
        path="/ready",
        tag=STATE,
        summary="Readiness of the worker process",
        description="200 if a photo can be computed now, else 503.",
        answer="The worker process is warm.",
        content=Ready,
    ),
    Operation(
        path="/metrics",
        tag=STATE,
        summary="Metrics for Prometheus",
        description="Prometheus's text format 0.0.4. It contains no file names.",
        answer="The metrics of all processes.",
        content=_STRING,
        media_type=TEXT,
        metrics_key=True,
    ),
    Operation(
        path="/status",
        tag=STATE,
        summary="State of the service",
        description="The content of the page: devices, photos, memory, time for a library, and recent failures. It "
        "contains no file names.",
        answer="The state.",
        content=Status,
    ),
    Operation(
        path="/events",
        tag=STATE,
        summary="State of the service, live",
        description="Server-sent events, one each two seconds: `event: status`, and in `data` the JSON of `/status`.",
        answer="Events without an end. The schema is that of an event.",
        content=_EVENT,
        media_type=EVENTS,
    ),
    Operation(
        path="/",
        tag=PAGES,
        summary="Page with the state of the service",
        description="For people: devices, activity, time for a library, photos to try, and "
        "recent failures. It loads no file of another host.",
        answer="The page.",
        content=_STRING,
        media_type=HTML,
    ),
    Operation(
        path="/assets/page.css",
        tag=PAGES,
        summary="Style of the page at /",
        description="It is used by `/`.",
        answer="A style sheet.",
        content=_STRING,
        media_type=CSS,
    ),
    Operation(
        path="/assets/page.js",
        tag=PAGES,
        summary="Script of the page at /",
        description="It shows live figures, and sends photos to try. The page works without it.",
        answer="A script.",
        content=_STRING,
        media_type=SCRIPT,
    ),
    Operation(
        path="/openapi.json",
        tag=PAGES,
        summary="This document",
        description="OpenAPI 3.1, in JSON.",
        answer="The document.",
        content={"type": "object", "required": ["openapi", "info", "paths", "components"]},
    ),
    Operation(
        path="/docs",
        tag=PAGES,
        summary="This document as a page",
        description="It loads no file of another host.",
        answer="The page.",
        content=_STRING,
        media_type=HTML,
    ),
    Operation(
        path="/assets/docs.css",
        tag=PAGES,
        summary="Style of the page",
        description="It is used by `/docs`.",
        answer="A style sheet.",
        content=_STRING,
        media_type=CSS,
    ),
    Operation(
        path="/assets/docs.js",
        tag=PAGES,
        summary="Script of the page",
        description="It shows the address of the service in the examples. The page works without it.",
        answer="A script.",
        content=_STRING,
        media_type=SCRIPT,
    ),
)
