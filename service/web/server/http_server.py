"""The HTTP server: uvicorn with the application, until a signal stops it."""

import logging
import socket
import sys
import time
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from model_store.models import MODELS
from service.memory.capacity import Capacity
from service.settings import Settings
from service.supervision import OnReady
from service.web.connections import HangUps, OpenConnections, connection_class
from service.web.server import address, listening
from service.web.server.certificate import Certificate
from service.web.server.ready_line import ready_log
from service.web.server.shutdown import Server, stop_on_signals

log = logging.getLogger(__name__)

MAXIMUM_HEADERS = 64 * 1024
"""Largest headers of a request, in bytes; they are read before the key is checked."""


ApplicationOf = Callable[[Callable[[str], None], OnReady], Starlette]
"""Signature of `service.hosting.asgi.application` after its first argument: `on_failure`, `on_ready`."""


def run(
    application: ApplicationOf,
    settings: Settings,
    capacity: Capacity,
    listeners: list[socket.socket],
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

    def described_address() -> str:
        place = " (inside of the container's network)" if address.is_of_container(settings) else ""
        return address.url(settings, listeners) + place

    ready = ready_log(settings, capacity, described_address)
    server = server_of(application(stop, ready), settings, certificate)
    stop_on_signals(server)
    log.info(
        "listening on %s, with model %d: %s; %s",
        listening.described(settings, listeners),
        model.number,
        model.description,
        capacity.described(settings),
    )
    if certificate is not None:
        certificate.log_validity()
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
