"""The ASGI application: routes, middleware, lifespan."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from model_store.models import MODELS
from model_store.store import WeightStore
from service.activity import ActivityLog
from service.memory.capacity import Capacity
from service.memory.largest_photo import MemoryPlan
from service.settings import Settings
from service.supervision import Supervisor
from service.web.access_log import AccessLog
from service.web.authentication import KeyRequired
from service.web.endpoints import Endpoints
from service.web.errors import handlers
from service.web.keys import KeyRing
from service.web.metrics import Metrics
from service.web.openapi import PATHS as DOCUMENT_PATHS
from service.web.openapi import routes as document_routes
from service.web.page.current import CurrentStatus
from service.web.page.endpoints import PageEndpoints
from service.web.page.events import Producer
from service.web.paths import NormalizePaths
from service.web.request_pipeline import RequestPipeline
from service.web.uploads import UploadBudget

PAGE_PATHS = ("/status", "/events", *DOCUMENT_PATHS)
"""Paths of the page and of the document, which FACE_PAGE turns off."""
PATHS = (
    *("/detect", "/compute", "/open", "/info", "/health", "/ready", "/metrics", "/welcome"),
    *PAGE_PATHS,
)
"""All paths of the service. The metrics count all other paths as one."""


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
    requests = RequestPipeline(settings, uploads, supervisor.dispatch, metrics)
    endpoints = Endpoints(
        settings, supervisor, requests, capacity, plan, WeightStore(settings.store), metrics
    )
    activity = ActivityLog()
    keyed = [Middleware(KeyRequired, keys=keys)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        supervisor.start()
        yield
        await supervisor.close()

    app = Starlette(
        routes=[
            Route("/detect", endpoints.detect, methods=["POST"], middleware=keyed),
            Route("/compute", endpoints.compute, methods=["POST"], middleware=keyed),
            Route("/open", endpoints.open, methods=["GET"], middleware=keyed),
            Route("/info", endpoints.info, methods=["GET"], middleware=keyed),
            Route("/health", endpoints.health, methods=["GET"]),
            Route("/ready", endpoints.ready, methods=["GET"]),
            Route("/metrics", endpoints.prometheus, methods=["GET"]),
            Route("/welcome", endpoints.welcome, methods=["GET"]),
            *(_page_routes(settings, supervisor, activity) if settings.page else ()),
        ],
        middleware=[
            Middleware(NormalizePaths),
            Middleware(AccessLog, metrics=metrics, activity=activity),
        ],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _page_routes(settings: Settings, supervisor: Supervisor, activity: ActivityLog) -> list[Route]:
    current = CurrentStatus(settings, supervisor, activity)
    page = PageEndpoints(current, Producer(current.json))
    return [
        Route("/status", page.status, methods=["GET"]),
        Route("/events", page.events, methods=["GET"]),
        *document_routes(),
    ]
