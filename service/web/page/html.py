"""HTML page at `/`, rendered on the server, with its style sheet and its script."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from service import wording
from service.web.html_pages import asset_paths, asset_routes, page_headers
from service.web.page import grouping
from service.web.page.failure_groups import grouped
from service.web.page.plot import HEIGHT, plot
from service.web.page.status import Status
from service.web.page.verdict import ENGINES, PRECISIONS, devices, verdict

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.jinja"

HEADERS = page_headers(
    "img-src 'self' blob: data:",  # the photo that is tried, and the icon
    "connect-src 'self'",
)
ASSETS = ("page.css", "page.js")
PATHS = ("/", *asset_paths(ASSETS))

StatusSource = Callable[[], Awaitable[Status]]


def routes(source: StatusSource) -> list[Route]:
    """Routes of PATHS."""
    return [
        Route("/", page(source), methods=["GET"]),
        *asset_routes(FOLDER / "assets", ASSETS, HEADERS),
    ]


def page(source: StatusSource) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of the page, which shows the state that `source` returns."""

    async def endpoint(_: Request) -> Response:
        status = await source()
        # In a thread, since the first page imports Jinja and compiles the templates.
        text = await asyncio.to_thread(rendered, status, datetime.now(UTC))
        return HTMLResponse(text, headers={**HEADERS, "cache-control": "no-store"})

    return endpoint


def rendered(status: Status, now: datetime) -> str:
    """The page as HTML; every value is escaped."""
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            status=status,
            now=now,
            revision=revision(status),
            verdict=verdict(status),
            devices=devices(status.stages),
            plot=plot(status.activity.last_hour),
            plot_height=HEIGHT,
            groups=grouped(status.failures),
            grouping=grouping.Grouping(),
            areas=grouping.AREAS,
            usual_area=grouping.USUAL_AREA,
            engines=ENGINES,
            precisions=PRECISIONS,
        )
    )


def revision(status: Status) -> str:
    """State of the parts without live figures, as text. The script makes the same text of each event, and loads the
    parts again if it differs from the one before."""
    latest = status.failures[0].time if status.failures else ""
    minute = status.activity.last_hour[-1].start
    return f"{status.state}|{len(status.stages)}|{latest}|{minute}"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    # Imported for the first page alone: a service whose page is never opened keeps 2.4 MB of memory.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("count", "duration", "size", "moment"):
        environment.filters[name] = getattr(wording, name)
    return environment
