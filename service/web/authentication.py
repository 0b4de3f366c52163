"""Authentication by API key: middleware that requires a valid `x-api-key` header."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.keys import KeyRing

HEADER = "x-api-key"


class WrongKey(Exception):
    """The request has no valid key."""


class KeyRequired:
    """Middleware that checks the key from the headers, before the body is read or a `100 Continue` is sent."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette decodes headers as Latin-1, which maps bytes one to one: encoding restores the bytes.
        offered = Headers(scope=scope).get(HEADER, "").encode("latin-1")
        if not self._keys.admits(offered):
            raise WrongKey(f"missing or wrong API key: send a valid one in the header {HEADER}")
        await self._app(scope, receive, send)
