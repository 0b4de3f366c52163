"""Authentication by key: middleware that requires a valid key in the headers of a request."""

from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.keys import KeyRing

HEADER = "x-api-key"
AUTHORIZATION = "authorization"
SCHEME = "Bearer"
"""Scheme of a key in the header `Authorization` (RFC 6750), as Prometheus sends it."""


class WrongKey(Exception):
    """The request has no valid key."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the answer."""


class WrongMetricsKey(WrongKey):
    """A request for the metrics has no valid key."""

    headers = MappingProxyType({"WWW-Authenticate": SCHEME})


class KeyRequired:
    """Middleware that checks the key from the headers, before the body is read or a `100 Continue` is sent."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._keys.admits(_bytes(Headers(scope=scope).get(HEADER, ""))):
            raise WrongKey(f"missing or wrong API key: send a valid one in the header {HEADER}")
        await self._app(scope, receive, send)


class MetricsKeyRequired:
    """Middleware of `/metrics`: a key in the header `Authorization: Bearer`, or in that of an API key."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scheme, _, token = headers.get(AUTHORIZATION, "").partition(" ")
        bearer = token.strip() if scheme.lower() == SCHEME.lower() else ""
        if not any(self._keys.admits(_bytes(key)) for key in (headers.get(HEADER, ""), bearer)):
            raise WrongMetricsKey(
                f"missing or wrong key: send FACE_METRICS_KEY as {AUTHORIZATION}: {SCHEME}, or in the header {HEADER}"
            )
        await self._app(scope, receive, send)


def _bytes(header: str) -> bytes:
    """The bytes of a header, which Starlette decodes as Latin-1: it maps bytes one to one."""
    return header.encode("latin-1")
