"""The service as an application of Ray Serve: each replica is a whole service, web and worker process.

`service.hosting.ray_serve:build` is the import path in deploy/ray/serve.yaml; docs/guide/ray.md has the steps. Ray
builds the application inside of the replica (`__serve_build_asgi_app__`), so that nothing of it is pickled. The worker
process is started in the thread of the replica's event loop, which lives as long as the replica's process.
"""

import asyncio
import logging
import os
import signal

import ray
from ray import serve
from starlette.applications import Starlette

from service import settings
from service.hosting.asgi import application
from service.hosting.computing import open_from_environment
from service.hosting.reservation import settings_for
from service.messages import WorkerStatus

log = logging.getLogger(__name__)

ONGOING = 256
"""Requests in one replica; more wait in Ray's proxy. The service queues photos itself, and `/open` and the probes have
to be answered beside them: with a limit near the number of photos in work, they would wait for a photo."""
HEALTH_SECONDS = 5
"""Interval of `check_health`, in which nothing is computed."""


class Replica:
    """One replica. Ray calls its methods on one event loop."""

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._failure: str | None = None

    def __serve_build_asgi_app__(self) -> Starlette:
        """The ASGI application. Ray runs its lifespan. Raises FAULTS of `service.hosting.computing`."""
        os.environ |= settings_for(ray.get_runtime_context().get_assigned_resources(), os.environ)
        return application(open_from_environment(), self._failed, self._warm)

    async def check_health(self) -> None:
        """Wait for the first warm worker process, so that a rolling update stops no replica before its successor is
        ready. Raises RuntimeError once no further worker process is started."""
        await self._ready.wait()
        if self._failure is not None:
            raise RuntimeError(self._failure)

    def _warm(self, _: WorkerStatus | None, cause: str | None) -> None:
        log.info("ready" if cause is None else f"ready again, after the worker process died ({cause})")
        self._ready.set()

    def _failed(self, reason: str) -> None:
        """Fail the start with the reason. Later, end this process at once: Ray starts another replica, and nginx sends
        the photos there. Until the third failed check, a replica that refuses at once would get most photos."""
        log.critical("%s; this replica ends", reason)
        if self._ready.is_set():
            os.kill(os.getpid(), signal.SIGKILL)
        self._failure = reason
        self._ready.set()


def build(_: dict[str, str]) -> serve.Application:
    """The application for Ray Serve. It runs on a node of the cluster, with the settings of the configuration file.

    Values in the file's `deployments` replace those here. Raises SettingsError.
    """
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name="Replica",
        max_ongoing_requests=ONGOING,
        max_queued_requests=-1,  # with a limit, Ray answers 503, and the photo is lost
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=settings.load().grace,
    )
    return deployment.bind()
