"""The application: routes, middleware, lifespan."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from model_store.store import WeightStore
from service.access import KeyRequired
from service.capacity import Capacity
from service.endpoints import Endpoints
from service.errors import handlers
from service.intake import Intake
from service.journal import Journal
from service.keys import KeyRing
from service.memory_plan import MemoryPlan
from service.metrics import Metrics
from service.originals import Originals
from service.paths import NormalizePaths
from service.queue import Queue
from service.readiness import Readiness, Recognizer
from service.recognition.models import MODELS
from service.settings import Settings
from service.uploads import UploadBudget

PATHS = ("/detect", "/compute", "/open", "/info", "/health", "/ready", "/metrics", "/welcome")
"""All there are; `metrics` counts the rest as one."""


def create_app(
    settings: Settings,
    keys: KeyRing,
    recognizer: Recognizer,
    capacity: Capacity,
    plan: MemoryPlan,
    on_failure: Callable[[BaseException], None],
) -> Starlette:
    """The service as an ASGI application.

    `recognizer` is warmed up in a thread and closed at the end; `on_failure` is called on the event loop with an
    exception of the warm-up. `app.state.readiness` says whether that thread outlives the application.
    """
    readiness = Readiness(recognizer, on_failure)
    queue = Queue(capacity.photos, capacity.photo_bytes, settings.request_timeout)
    uploads = UploadBudget(capacity.upload_bytes)
    metrics = Metrics(MODELS[settings.model], PATHS, readiness)
    originals = Originals(queue.memory)
    metrics.watch(uploads, queue, originals)
    intake = Intake(settings, readiness, uploads, queue, originals, metrics)
    endpoints = Endpoints(settings, readiness, intake, capacity, plan, WeightStore(settings.store), metrics)
    keyed = [Middleware(KeyRequired, keys=keys)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        readiness.start()
        yield
        # In a thread: the loop still has to hear of work that ends.
        await asyncio.to_thread(queue.close)
        await readiness.close()

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
        ],
        middleware=[Middleware(NormalizePaths), Middleware(Journal, metrics=metrics)],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.readiness = readiness
    return app
