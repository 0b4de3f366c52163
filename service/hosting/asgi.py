"""The ASGI application, and its factory for servers other than our own.

    uvicorn --factory service.hosting.asgi:from_environment
    hypercorn 'service.hosting.asgi:from_environment()'
    granian --interface asgi --factory service.hosting.asgi:from_environment

One process of the server is one replica, with its own worker process. The worker process starts at `lifespan.startup`,
in the thread of the event loop, and ends with it: the loop's thread has to live as long as the application.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping

from starlette.applications import Starlette

from service.hosting import instances
from service.hosting.computing import FAULTS, Computing, open_from_environment
from service.supervision import OnReady, Supervisor
from service.web.app import create_app
from service.web.server.ready_line import ready_log

log = logging.getLogger(__name__)

OF_OUR_SERVER = ("FACE_HOST", "FACE_TLS_CERTIFICATE", "FACE_TLS_KEY", "FACE_GRACE")
"""Settings that our own server alone has. PORT is not named: platforms set it for every program."""

ANSWER_SECONDS = 1.0
"""Time between a failure and the signal that ends the process: the photos that wait get their 503 first. A server may
leave SIGTERM to the kernel (hypercorn does in its processes)."""


def application(
    computing: Computing,
    on_failure: Callable[[str], None] | None = None,
    on_ready: OnReady | None = None,
) -> Starlette:
    """The ASGI application, whose lifespan starts and stops the worker process. One for each process.

    Args:
        computing: of `open_computing`.
        on_failure: called on the event loop with the reason, once no further worker process is started; by default
            `end_process`. From then on `/health` and photos are answered with 503.
        on_ready: called for each worker process that is warm; by default a line of the log.
    """
    ready = on_ready or ready_log(computing.settings, computing.capacity, None)
    supervisor = Supervisor(computing.launch, on_failure or end_process, ready)
    return create_app(computing.settings, computing.keys, computing.capacity, computing.plan, supervisor)


def from_environment() -> Starlette:
    """The application with the settings of the environment, for a server that takes a factory.

    A fault that the operator can repair ends the process with one line on standard error, and the status 1.
    """
    try:
        computing = open_from_environment()
    except FAULTS as error:
        raise SystemExit(str(error)) from None
    for warning in unused(os.environ):
        log.warning(warning)
    hosted = application(computing)
    hosted.state.instance = instances.hold(computing.settings)  # open until the end of the process
    return hosted


def end_process(reason: str) -> None:
    """End this process by SIGTERM after ANSWER_SECONDS, so that its service manager starts it again.

    A service that stays up without a worker process would answer every photo with 503, and the app would mark each of
    them as failed.
    """
    log.critical("%s; this process ends", reason)
    asyncio.get_running_loop().call_later(ANSWER_SECONDS, os.kill, os.getpid(), signal.SIGTERM)


def unused(environment: Mapping[str, str]) -> list[str]:
    """A warning if settings of our own server are set: HTTPS above all, which a caller may rely on."""
    found = [name for name in OF_OUR_SERVER if environment.get(name)]
    return [f"{', '.join(found)} without effect: settings of `face-model serve` alone"] if found else []
