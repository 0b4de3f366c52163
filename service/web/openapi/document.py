"""OpenAPI 3.1 document of the service, assembled from the tables and the models."""

from functools import cache
from typing import Any

from service.json_text import MEDIA_TYPE as JSON
from service.versions import own_version
from service.web.authentication import HEADER, SCHEME
from service.web.openapi.answers import Error, KnownFace
from service.web.openapi.fields import reference, schemas
from service.web.openapi.operations import OPERATIONS, TAGS, Operation
from service.web.openapi.statuses import BEFORE_THE_APPLICATION, ERRORS, ErrorStatus
from service.web.request_ids import HEADER as REQUEST_ID

DESCRIPTION = (
    "External model for the Nextcloud Face Recognition app: faces, landmarks and descriptors of photos, as dlib "
    "computes them.\n\n"
    "Every error is JSON: one sentence with the cause in `error`. The app marks a photo as failed for any status but "
    "200, so the service never refuses a photo because of load. Status 499 in the log stands for a caller that hung up."
)

KEY, METRICS_KEY = "key", "metrics_key"
"""Names of the security schemes."""

_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "Identifier of the request for the log and the answer: 1 to 64 letters, digits, `.`, `_` or `-`. "
    "Another text is ignored.",
    "schema": {"type": "string"},
    "example": "b7d5a5c0f1",
}

_HEADERS = {
    REQUEST_ID: {
        "description": "Identifier of the request in the log of the service: the caller's, or a random one.",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    },
    "Server-Timing": {
        "description": "Milliseconds of each stage (W3C Server Timing): `decode`, the stages of `/info`, and `wait`, "
        "from the complete upload to the start of the work. Stages that did not run are missing.",
        "required": True,
        "schema": {"type": "string", "pattern": r"^[a-z_]+;dur=[0-9.]+(, ?[a-z_]+;dur=[0-9.]+)*$"},
        "example": "decode;dur=12.3, cnn_detections;dur=80.1, wait;dur=0.4",
    },
}


@cache
def document() -> dict[str, Any]:
    """The document. It depends on the version of the service alone, and is made once: do not change it."""
    models = [operation.content for operation in OPERATIONS if not isinstance(operation.content, dict)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Accelerated face model",
            "version": own_version(),
            "summary": "Faces, landmarks and descriptors of photos",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to the address of this document, which may be below a path of a proxy.
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {operation.path: {operation.method: _operation(operation)} for operation in OPERATIONS},
        "components": {
            "schemas": schemas(*models, Error, KnownFace),
            "responses": {status.name: _error(status) for status in ERRORS.values()},
            "parameters": {REQUEST_ID: _REQUEST_ID},
            "headers": _HEADERS,
            "securitySchemes": {
                KEY: {
                    "type": "apiKey",
                    "in": "header",
                    "name": HEADER,
                    "description": "A line of the key file, or API_KEY.",
                },
                METRICS_KEY: {
                    "type": "http",
                    "scheme": SCHEME.lower(),
                    "description": "FACE_METRICS_KEY.",
                },
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    errors = [status for status in ERRORS.values() if status.concerns(operation.path)]
    return {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": _security(operation),
        "parameters": [{"$ref": f"#/components/parameters/{REQUEST_ID}"}],
        **({"requestBody": operation.form} if operation.form else {}),
        "responses": {
            "200": {
                "description": operation.answer,
                "headers": _headers(REQUEST_ID, *(["Server-Timing"] if operation.timed else [])),
                "content": {operation.media_type: {"schema": operation.schema}},
            },
            **{str(status.code): {"$ref": f"#/components/responses/{status.name}"} for status in errors},
        },
    }


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.metrics_key:
        return [{}, {METRICS_KEY: []}]
    return [{KEY: []}] if operation.key else []


def _error(status: ErrorStatus) -> dict[str, Any]:
    return {
        "description": status.cause[0].upper() + status.cause[1:] + ".",
        "headers": {} if status.code in BEFORE_THE_APPLICATION else _headers(REQUEST_ID),
        "content": {JSON: {"schema": reference(Error)}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
