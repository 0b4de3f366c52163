"""The HTTP server: the application in uvicorn, one process, until a signal to stop."""

import logging
import resource
import socket
import sys
import time
import traceback

import uvicorn
from starlette.applications import Starlette

from service import early_exit, listening, memory_plan, stopping
from service.app import create_app
from service.capacity import Capacity, memory
from service.connections import HangUps, OpenConnections, connections
from service.heap import give_large_blocks_back
from service.keys import KeyRing
from service.recognition.engines.protocol import EngineError
from service.recognition.models import MODELS
from service.recognition.opening import RecognizerError, open_recognizer
from service.recognition.parallelism import usable_cores
from service.recognition.recognizer import Recognizer
from service.settings import Settings
from service.stopping import Server

log = logging.getLogger(__name__)

LONGEST_HEADERS = 64 * 1024
"""Bytes of a request's headers, which are read before its key is checked."""

MANY_CONNECTIONS = 16 * 1024
"""Open files that the process allows itself."""


def run(settings: Settings, keys: KeyRing, listeners: list[socket.socket]) -> int:
    """Serves `listeners` until SIGTERM or SIGINT, finishes the photos in flight, and returns the exit status."""
    model = MODELS[settings.model]
    failures: list[BaseException] = []

    def stop(failure: BaseException) -> None:
        failures.append(failure)
        server.should_exit = True

    _allow_many_connections()
    give_large_blocks_back()
    capacity = Capacity.of(settings, usable_cores())
    plan = memory_plan.plan(settings, capacity)
    # Before the first answer: a caller that hears `/open` answer sends photos, and loses those that fail.
    try:
        recognizer = _open(settings, capacity.photos)
        app = create_app(settings, keys, recognizer, capacity, plan, stop)
    except RuntimeError as error:  # RecognizerError, or a machine without threads
        print(error, file=sys.stderr)
        return 1
    server = server_of(app, settings)
    stopping.stop_on_signals(server)
    log.info(
        "listening on %s, model %d: %s; %d photos at once, %d MiB",
        listening.described(settings, listeners),
        model.number,
        model.description,
        capacity.photos,
        memory(settings) // 1024**2,
    )
    log.info(plan.summary())
    for warning in plan.warnings():
        log.warning(warning)
    server.run(listeners)
    for failure in failures:
        _explain(failure)
    status = 1 if failures else 0
    if app.state.readiness.abandoned:
        early_exit.exit_now(status)
    return status


def _open(settings: Settings, workers: int) -> Recognizer:
    return open_recognizer(
        MODELS[settings.model],
        engine=settings.engine,
        store=settings.store,
        workers=workers,
        threads=settings.threads,
        provider=settings.providers,
        allow_fallback=settings.allow_fallback,
        device_memory=settings.gpu_memory,
        precision=settings.precision,
    )


def server_of(app: Starlette, settings: Settings) -> Server:
    """The uvicorn server of this application: without uvicorn's access log, and no request before the lifespan."""
    hang_ups, open_connections = HangUps(), OpenConnections(time.monotonic)
    return Server(
        uvicorn.Config(
            app,
            # Not httptools, which sets no limit to the size of headers.
            http=connections(settings.patience, hang_ups, open_connections),
            h11_max_incomplete_event_size=LONGEST_HEADERS,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.grace,
        ),
        hang_ups,
        open_connections,
    )


def _allow_many_connections() -> None:
    """Raises the soft limit of open files: each caller that waits takes one, and 1024 is usual."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # RLIM_INFINITY is -1
        most = MANY_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, MANY_CONNECTIONS)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        # A sandbox may forbid the call, or another process lower the limit.
        log.debug("the limit of open files stays as it is: %s", error)


def _explain(failure: BaseException) -> None:
    if isinstance(failure, (RecognizerError, EngineError)):
        print(failure, file=sys.stderr)
    else:
        traceback.print_exception(failure)
