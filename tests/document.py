"""Comparison of answers with the OpenAPI document of the service."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from service.web.openapi.document import document
from service.web.openapi.viewer import resolved


def violations(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Differences of an answer from the document: status, type of the content, headers, and fields."""
    documented = document()
    responses = documented["paths"][path][method.lower()]["responses"]
    if str(status) not in responses:
        return [f"{path} has no status {status}"]
    response = resolved(responses[str(status)], documented)
    kind = headers["content-type"].partition(";")[0]
    if kind not in response["content"]:
        return [f"{path} {status} is not {kind}"]
    content = json.loads(body) if kind == "application/json" else body.decode()
    found = _violations(response["content"][kind]["schema"], content)
    for name, reference in response["headers"].items():
        header = resolved(reference, documented)
        if name.lower() in headers:
            found += _violations(header["schema"], headers[name.lower()])
        elif header.get("required"):
            found.append(f"{path} {status} has no header {name}")
    return found


def _violations(schema: Mapping[str, Any], content: object) -> list[str]:
    whole = {**schema, "components": document()["components"]}
    errors = jsonschema_rs.Draft202012Validator(whole).iter_errors(content)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
