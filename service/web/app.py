"""The ASGI application: routes, middleware, lifespan."""

import asyncio
from collections.abc import AsyncGenerator
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
from service.web.callers import Callers
from service.web.endpoints import Endpoints
from service.web.errors import STATUS, handlers
from service.web.keys import KeyRing
from service.web.metrics import Metrics
from service.web.openapi import PATHS as DOCUMENT_PATHS
from service.web.openapi import routes as document_routes
from service.web.page.endpoints import PATHS as PAGE_PATHS
from service.web.page.endpoints import routes as page_routes
from service.web.paths import NormalizePaths
from service.web.request_pipeline import RequestPipeline
from service.web.security_headers import SecurityHeaders
from service.web.traces.from_settings import tracing
from service.web.uploads import UploadBudget

PATHS = (
    *("/detect", "/compute", "/open", "/info", "/health", "/ready", "/metrics", "/welcome"),
    *(*PAGE_PATHS, *DOCUMENT_PATHS),  # FACE_PAGE turns these off
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
    traces = tracing(settings)
    of_photo = [*keyed, *traces.middleware]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        supervisor.start()
        try:
            yield
        finally:  # a server may cancel the lifespan in place of its end
            try:
                await supervisor.close()
            finally:
                await asyncio.to_thread(traces.close)

    app = Starlette(
        routes=[
            Route("/detect", endpoints.detect, methods=["POST"], middleware=of_photo),
            Route("/compute", endpoints.compute, methods=["POST"], middleware=of_photo),
            Route("/open", endpoints.open, methods=["GET"], middleware=keyed),
            Route("/info", endpoints.info, methods=["GET"], middleware=keyed),
            Route("/health", endpoints.health, methods=["GET"]),
            Route("/ready", endpoints.ready, methods=["GET"]),
            Route(
                "/metrics", endpoints.prometheus, methods=["GET"], middleware=_metrics_key(settings, metrics)
            ),
            Route("/welcome", endpoints.welcome, methods=["GET"]),
            *(
                (*page_routes(settings, capacity, supervisor, activity), *document_routes())
                if settings.page
                else ()
            ),
        ],
        middleware=[
            Middleware(Callers),
            Middleware(SecurityHeaders),
            Middleware(NormalizePaths),
            Middleware(AccessLog, metrics=metrics, activity=activity),
        ],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _metrics_key(settings: Settings, metrics: Metrics) -> list[Middleware]:
    """Middleware of `/metrics`; none without FACE_METRICS_KEY."""
    if settings.metrics_key is None:
        return []
    keys = KeyRing([settings.metrics_key.get_secret_value().strip()])
    return [Middleware(MetricsKeyRequired, authentication=Authentication(keys, metrics))]
