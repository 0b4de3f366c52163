"""Routes of the page and of its data, `/status` and `/events`. They need no key."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.activity import ActivityLog
from service.json_text import MEDIA_TYPE
from service.memory.capacity import Capacity
from service.settings import Settings
from service.supervision import Supervisor
from service.web.callers import CALLER, Caller
from service.web.page import html
from service.web.page.current import CurrentStatus
from service.web.page.events import MAXIMUM_STREAMS, EventStream, Producer
from service.web.responses import error_response

PATHS = (*html.PATHS, "/status", "/events")


def routes(
    settings: Settings, capacity: Capacity, supervisor: Supervisor, activity: ActivityLog
) -> list[Route]:
    """Routes of PATHS, which show the state of one service."""
    current = CurrentStatus(settings, capacity, supervisor, activity)
    data = PageEndpoints(current, Producer(current.json))
    return [
        *html.routes(current.status),
        Route("/status", data.status, methods=["GET"]),
        Route("/events", data.events, methods=["GET"]),
    ]


@dataclass(frozen=True)
class PageEndpoints:
    """The endpoints of one service."""

    current: CurrentStatus
    producer: Producer

    async def status(self, _: Request) -> Response:
        """The state of the service: `Status` as JSON."""
        headers = {"cache-control": "no-store"}
        return Response(await self.current.json(), media_type=MEDIA_TYPE, headers=headers)

    async def events(self, request: Request) -> Response:
        """The state of the service every two seconds, as server-sent events."""
        if self.producer.full:
            return error_response(
                503, f"{MAXIMUM_STREAMS} pages are open, the most at a time; /status answers without a limit"
            )
        caller: Caller = getattr(request.state, CALLER)
        return EventStream(self.producer, caller)
