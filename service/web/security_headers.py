"""Headers for browsers: no guessed content type, no copy in a cache, no embedding by another origin.

There is no header of CORS (`Access-Control-*`), on purpose: Nextcloud's server is the caller, not its users' browsers.
Without it, a browser hides every answer from the scripts of other origins, and sends no `x-api-key` for them.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of each answer that does not set them itself."""


class SecurityHeaders:
    """Middleware: adds SECURITY_HEADERS to every answer, and keeps those that an endpoint has set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in SECURITY_HEADERS if pair[0] not in given]
            await send(message)

        await self._app(scope, receive, send_with_headers)
