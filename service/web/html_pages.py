"""HTML pages: headers that close them to other hosts, and routes of their style sheets and scripts."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)


def page_headers(*directives: str) -> dict[str, str]:
    """Headers of a page, beside those of all answers (`security_headers`).

    Its content-security policy allows no script and no style but files of this service, no request to another host, and
    no frame around the page. `directives` are added to it.
    """
    return {
        "content-security-policy": "; ".join((*_POLICY, *directives)),
        "referrer-policy": "no-referrer",
    }


def asset_paths(names: Iterable[str]) -> tuple[str, ...]:
    """Paths of style sheets and scripts."""
    return tuple(f"/assets/{name}" for name in names)


def asset_routes(folder: Path, names: Iterable[str], headers: Mapping[str, str]) -> list[Route]:
    """Routes of `asset_paths`, for files in a folder, which are read now."""
    return [Route(f"/assets/{name}", _asset(folder / name, headers), methods=["GET"]) for name in names]


def _asset(file: Path, headers: Mapping[str, str]) -> Callable[[Request], Awaitable[Response]]:
    content, media_type = file.read_bytes(), MEDIA_TYPES[file.suffix]

    async def endpoint(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={**headers, "cache-control": "no-cache"})

    return endpoint
