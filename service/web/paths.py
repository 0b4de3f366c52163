"""Normalisation of request paths: absolute form, and repeated slashes."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_ORIGIN = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
"""Scheme and authority of a request target in absolute form (RFC 9112, section 3.2.2)."""


class NormalizePaths:
    """Middleware that reduces a target in absolute form to its path, and repeated slashes to one.

    A server must accept the absolute form; proxies send it. If its configured address ends with a slash, the app
    requests `//detect`. It follows no redirects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            target: bytes = scope.get("raw_path") or b""
            if origin := _ORIGIN.match(target):
                raw_path = target[origin.end() :] or b"/"
                scope = {**scope, "raw_path": raw_path, "path": unquote(raw_path.decode("ascii"))}
            if "//" in scope["path"]:
                scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
