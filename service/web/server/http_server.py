"""The HTTP server: uvicorn with the application, until a signal stops it."""

import logging
import socket
import sys
import time

import uvicorn
from starlette.applications import Starlette

from model_store.models import MODELS
from service.memory import largest_photo
from service.memory.capacity import Capacity, memory
from service.messages import WorkerStatus
from service.recognition.compute.core_count import usable_processors
from service.settings import Settings
from service.supervision import Launch, Supervisor
from service.web.app import create_app
from service.web.connections import HangUps, OpenConnections, connection_class
from service.web.keys import KeyRing
from service.web.server import address, listening
from service.web.server.certificate import Certificate
from service.web.server.ready_line import ready_again_line, ready_line
from service.web.server.shutdown import Server, stop_on_signals

log = logging.getLogger(__name__)

MAXIMUM_HEADERS = 64 * 1024
"""Largest headers of a request, in bytes; they are read before the key is checked."""


def run(
    settings: Settings,
    keys: KeyRing,
    listeners: list[socket.socket],
    launch: Launch,
    certificate: Certificate | None = None,
) -> int:
    """Serve `listeners` until a signal, finish the photos in flight, and return the exit status.

    `certificate`: serve HTTPS, not HTTP.
    """
    model = MODELS[settings.model]
    failures: list[str] = []

    def stop(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    def ready(status: WorkerStatus | None, cause: str | None) -> None:
        if cause is not None:
            log.info(ready_again_line(cause=cause, status=status))
            return
        place = " (inside of the container's network)" if address.is_of_container(settings) else ""
        line = ready_line(
            address=address.url(settings, listeners) + place,
            model=settings.model,
            status=status,
            photos=capacity.photos,
            memory=memory(settings),
        )
        log.info(line)

    capacity = Capacity.of(settings, usable_processors())
    plan = largest_photo.plan(settings, capacity)
    supervisor = Supervisor(launch, stop, ready)
    app = create_app(settings, keys, capacity, plan, supervisor)
    server = server_of(app, settings, certificate)
    stop_on_signals(server)
    log.info(
        "listening on %s, with model %d: %s; at most %d photos in work (GUNICORN_WORKERS), in %s MiB of memory "
        "(FACE_MEMORY)",
        listening.described(settings, listeners),
        model.number,
        model.description,
        capacity.photos,
        f"{memory(settings) // 1024**2:,}",
    )
    if certificate is not None:
        certificate.log_validity()
    log.info(plan.summary())
    for warning in plan.warnings():
        log.warning(warning)
    server.run(listeners)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def server_of(app: Starlette, settings: Settings, certificate: Certificate | None = None) -> Server:
    """The uvicorn server of this application, without its access log. It accepts after the lifespan's start."""
    hang_ups, open_connections = HangUps(), OpenConnections(time.monotonic)
    return Server(
        uvicorn.Config(
            app,
            # Not httptools, which does not limit the size of headers.
            http=connection_class(settings.patience, hang_ups, open_connections),
            h11_max_incomplete_event_size=MAXIMUM_HEADERS,
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
        certificate,
    )
