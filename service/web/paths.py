"""Request paths as callers write them: in absolute form, and with a run of slashes."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_ORIGIN = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
"""Scheme and authority of a request target in absolute form (RFC 9112, section 3.2.2)."""


class NormalizePaths:
    """Reduces a target in absolute form to its path, and any run of slashes to one slash.

    A server must accept the absolute form; proxies send it. An address that is configured with a trailing slash makes
    the app ask for `//detect`. No redirects: the app follows none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if origin := _ORIGIN.match(scope["raw_path"]):
                raw_path = scope["raw_path"][origin.end() :] or b"/"
                scope = {**scope, "raw_path": raw_path, "path": unquote(raw_path.decode("ascii"))}
            if "//" in scope["path"]:
                scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
