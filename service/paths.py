"""Request paths as the app writes them: a configured address with a trailing slash gives `//detect`."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send


class CollapseSlashes:
    """Takes any run of slashes for one. No redirect: the app follows none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
