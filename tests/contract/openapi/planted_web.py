"""The service with endpoints that deviate from its document: `python -m tests.contract.openapi.planted_web`."""

import sys

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.__main__ import main as serve
from service.web.endpoints import Endpoints
from service.web.responses import error_response, json_response

WELCOME = {"facerecognition-external-model": "welcome", "version": "1", "model": 3}


async def undocumented_field(_self: Endpoints, _: Request) -> Response:
    return json_response({**WELCOME, "undocumented": 1})


async def missing_field(_self: Endpoints, _: Request) -> Response:
    return json_response({"maximum_area": 1})


async def undocumented_status(_self: Endpoints, _: Request) -> Response:
    return error_response(409, "no")


async def undocumented_type(_self: Endpoints, _: Request) -> Response:
    return PlainTextResponse("ok", media_type="text/csv")


async def server_error(_self: Endpoints, _: Request) -> Response:
    raise ZeroDivisionError


FAULTS = {
    "welcome": (undocumented_field, "JsonSchemaError"),
    "open": (missing_field, "JsonSchemaError"),
    "prometheus": (undocumented_status, "UndefinedStatusCode"),
    "health": (undocumented_type, "UndefinedContentType"),
    "info": (server_error, "ServerError"),
}
"""Methods of Endpoints; their faults, and the names that schemathesis gives these."""

if __name__ == "__main__":
    for name, (fault, _) in FAULTS.items():
        setattr(Endpoints, name, fault)
    sys.exit(serve(["serve"]))
