"""The ASGI application: routes, middleware, lifespan."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import get_args

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from model_store.models import MODELS
from model_store.store import WeightStore
from service.activity import PHOTO_PATHS, ActivityLog
from service.memory.capacity import Capacity
from service.memory.largest_photo import MemoryPlan
from service.messages import RefusalStatus
from service.settings import Settings
from service.supervision import Supervisor
from service.web.access_log import AccessLog
from service.web.authentication import Authentication, KeyRequired, MetricsKeyRequired
from service.web.endpoints import Endpoints
from service.web.errors import STATUS, handlers
from service.web.keys import KeyRing
from service.web.metrics import Metrics
from service.web.openapi import PATHS as DOCUMENT_PATHS
from service.web.openapi import routes as document_routes
from service.web.page import html
from service.web.page.current import CurrentStatus
from service.web.page.endpoints import PageEndpoints
from service.web.page.events import Producer
from service.web.paths import NormalizePaths
from service.web.request_pipeline import RequestPipeline
from service.web.security_headers import SecurityHeaders
from service.web.uploads import UploadBudget

PAGE_PATHS = (*html.PATHS, "/status", "/events", *DOCUMENT_PATHS)
"""Paths of the page and of the document, which FACE_PAGE turns off."""
PATHS = (
    *("/detect", "/compute", "/open", "/info", "/health", "/ready", "/metrics", "/welcome"),
    *PAGE_PATHS,
)
"""All paths of the service. The metrics count all other paths as one."""
PHOTO_STATUSES = sorted({200, 500, *STATUS.values(), *get_args(RefusalStatus)})
"""Statuses of the answers to a photo."""


def create_app(
    settings: Settings,
    keys: KeyRing,
    capacity: Capacity,
    plan: MemoryPlan,
    supervisor: Supervisor,
) -> Starlette:
    """The service as an ASGI application, whose lifespan starts and stops the supervisor's worker."""
    uploads = UploadBudget(capacity.upload_bytes)
    metrics = Metrics(MODELS[settings.model], PATHS, supervisor)
    metrics.watch(uploads, supervisor.dispatch)
    metrics.expect(PHOTO_PATHS, PHOTO_STATUSES)
    requests = RequestPipeline(settings, uploads, supervisor.dispatch, metrics)
    endpoints = Endpoints(
        settings, supervisor, requests, capacity, plan, WeightStore(settings.store), metrics
    )
    activity = ActivityLog()
    keyed = [Middleware(KeyRequired, authentication=Authentication(keys, metrics))]
    traced, close_traces = _traces(settings)
    of_photo = [*keyed, *traced]
    metrics_keyed = [
        Middleware(
            MetricsKeyRequired,
            authentication=Authentication(KeyRing([key.get_secret_value().strip()]), metrics),
        )
        for key in (settings.metrics_key,)
        if key is not None
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        supervisor.start()
        yield
        await supervisor.close()
        await asyncio.to_thread(close_traces)

    app = Starlette(
        routes=[
            Route("/detect", endpoints.detect, methods=["POST"], middleware=of_photo),
            Route("/compute", endpoints.compute, methods=["POST"], middleware=of_photo),
            Route("/open", endpoints.open, methods=["GET"], middleware=keyed),
            Route("/info", endpoints.info, methods=["GET"], middleware=keyed),
            Route("/health", endpoints.health, methods=["GET"]),
            Route("/ready", endpoints.ready, methods=["GET"]),
            Route("/metrics", endpoints.prometheus, methods=["GET"], middleware=metrics_keyed),
            Route("/welcome", endpoints.welcome, methods=["GET"]),
            *(_page_routes(settings, supervisor, activity) if settings.page else ()),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(NormalizePaths),
            Middleware(AccessLog, metrics=metrics, activity=activity),
        ],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _traces(settings: Settings) -> tuple[list[Middleware], Callable[[], None]]:
    """Middleware that traces photos, and a function that sends the last spans. Without FACE_TRACES, neither."""
    if settings.traces is None:
        return [], lambda: None
    # Imported here: the packages are an extra, and the service without traces does not load them.
    from service.web.traces.collector import Collector
    from service.web.traces.photo_traces import PhotoTraces
    from service.web.traces.spans import PhotoSpans

    collector = Collector(settings.traces)
    spans = PhotoSpans(collector.provider)
    return [Middleware(PhotoTraces, spans=spans, model=settings.model)], collector.close


def _page_routes(settings: Settings, supervisor: Supervisor, activity: ActivityLog) -> list[Route]:
    current = CurrentStatus(settings, supervisor, activity)
    page = PageEndpoints(current, Producer(current.json))
    return [
        *html.routes(current.status),
        Route("/status", page.status, methods=["GET"]),
        Route("/events", page.events, methods=["GET"]),
        *document_routes(),
    ]
