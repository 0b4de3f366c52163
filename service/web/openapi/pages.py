"""Endpoints of the document and of its viewer. They need no key, since they contain no state of the service.

The libraries and models that make them are loaded at the first request, in a thread.
"""

import asyncio
import html
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.json_text import MEDIA_TYPE, serialised
from service.web.html_pages import asset_paths, asset_routes, page_headers

FOLDER = Path(__file__).parent
ASSETS = ("docs.css", "docs.js")
PATHS = ("/openapi.json", "/docs", *asset_paths(ASSETS))
HEADERS = {**page_headers(), "cache-control": "no-cache"}

_HOST = re.compile(r"[A-Za-z0-9._\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
"""A Host header whose characters have no meaning in a shell, since the examples contain it."""


def routes() -> list[Route]:
    """Routes of PATHS."""
    return [
        Route("/openapi.json", openapi_json, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
        *asset_routes(FOLDER / "assets", ASSETS, HEADERS),
    ]


async def openapi_json(_: Request) -> Response:
    """The document."""
    return Response(await asyncio.to_thread(_document), media_type=MEDIA_TYPE, headers=HEADERS)


async def docs(request: Request) -> Response:
    """The document as a page, with the address of the request in its examples."""
    page = await asyncio.to_thread(_page)
    host = request.headers.get("host", "")
    address = f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else "http://localhost:5000"
    return Response(page.replace(ADDRESS, html.escape(address)), media_type="text/html", headers=HEADERS)


ADDRESS = "http://address.invalid"
"""Placeholder of the service's address in the page."""


@cache
def _document() -> bytes:
    from service.web.openapi.document import document

    return serialised(document())


@cache
def _page() -> str:
    from service.web.openapi.document import document
    from service.web.openapi.viewer import page

    return page(document(), ADDRESS)
