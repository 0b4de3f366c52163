"""The HTTP endpoints, one function each."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from model_store.models import MODELS
from model_store.store import WeightStatus, WeightStore
from service.memory.capacity import Capacity
from service.memory.largest_photo import MemoryPlan
from service.settings import Settings
from service.supervision import Quarantine, Supervisor
from service.versions import own_version, versions
from service.web.metrics import CONTENT_TYPE, Metrics
from service.web.request_pipeline import RequestPipeline
from service.web.responses import json_response, timed_response

INSTALL = "python -m model_store fetch"
"""Command that fetches missing weights, for `/welcome`. Not from `model_store.command`, which reveals a path of this
machine: `/welcome` needs no key."""


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of one service. `service.web.errors` maps their exceptions to statuses."""

    settings: Settings
    supervisor: Supervisor
    requests: RequestPipeline
    capacity: Capacity
    plan: MemoryPlan
    weights: WeightStore
    metrics: Metrics

    async def detect(self, request: Request) -> Response:
        """Detection of the faces of a photo."""
        return timed_response(
            await self.requests.answer(request, known=False, maximum_area=self.plan.accepted_area)
        )

    async def compute(self, request: Request) -> Response:
        """Landmarks and descriptor of a given face, on the original photo."""
        area = self.settings.maximum_original_area
        return timed_response(await self.requests.answer(request, known=True, maximum_area=area))

    async def open(self, _: Request) -> Response:
        """Format and largest area of a photo, which the app requests before it sends photos.

        200 as soon as a worker has loaded the networks, also during its warm-up or replacement: photos wait. An error
        if no worker can start, so that the app sends no photo.
        """
        await self.supervisor.networks_loaded()
        return json_response(
            {
                "preferred_mimetype": self.settings.preferred_mimetype,
                "maximum_area": self.plan.advertised_area,
            }
        )

    async def health(self, _: Request) -> Response:
        """Liveness of the service: also 200 while the worker is replaced, and an error once no other one is started."""
        self.supervisor.check_not_failed()
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """Readiness: 200 while a worker is warm."""
        await self.supervisor.check_answering()
        return json_response({"ready": True, "restarts": self.supervisor.restarts.total()})

    async def prometheus(self, _: Request) -> Response:
        """Metrics for Prometheus: no file names and no photos. A key is needed if FACE_METRICS_KEY is set."""
        status = await self.supervisor.status()
        of_worker = status.metrics.encode() if status else b""
        return Response(self.metrics.text() + of_worker, media_type=CONTENT_TYPE)

    async def welcome(self, _: Request) -> Response:
        """A greeting, or the names of missing weights."""
        missing = [status.weight.name for status in await self._weights() if status.state != "verified"]
        greeting = (
            f"Neural network files are missing or damaged: {', '.join(missing)}. Run `{INSTALL}`"
            if missing
            else "welcome"
        )
        return json_response(
            {
                "facerecognition-external-model": greeting,
                "version": own_version(),
                "model": self.settings.model,
            }
        )

    async def info(self, _: Request) -> Response:
        """Versions, model, hashes of weights, engine and provider of every stage, and limits."""
        model = MODELS[self.settings.model]
        self.supervisor.check_ready()
        status = await self.supervisor.status()
        return json_response(
            {
                "versions": versions(),
                "model": {"number": model.number, "description": model.description},
                "weights": {
                    status.weight.name: {"sha256": status.sha256, "origin": status.origin or status.problem}
                    for status in await self._weights()
                },
                "stages": status.model_dump()["stages"] if status else None,
                "worker": {
                    "restarts": self.supervisor.restarts,
                    "resent": self.supervisor.resent,
                    "scan_stopped": self.supervisor.scan_stopped,
                    "device_faults": self.supervisor.devices.faults,
                    "device_quarantine": _quarantine(self.supervisor.devices.quarantine),
                    "restrictions": status.restrictions if status else None,
                },
                "limits": {
                    "maximum_area": self.plan.advertised_area,
                    "accepted_area": self.plan.accepted_area,
                    "maximum_original_area": self.settings.maximum_original_area,
                    "maximum_upload": self.settings.maximum_upload,
                    "workers": self.capacity.photos,
                    "upload_bytes": self.capacity.upload_bytes,
                    "photo_bytes": self.capacity.photo_bytes,
                    "memory": self.plan.limit,
                    "request_timeout": self.settings.request_timeout,
                },
            }
        )

    async def _weights(self) -> list[WeightStatus]:
        # In a thread, since changed files are hashed again.
        return await asyncio.to_thread(self.weights.status, MODELS[self.settings.model].weights)


def _quarantine(of: Quarantine | None) -> dict[str, str | None] | None:
    """The model DeviceQuarantine of `/info`."""
    if of is None:
        return None
    return {
        "provider": of.device.provider,
        "device": of.device.name,
        "reason": of.reason,
        "since": of.since.isoformat(timespec="seconds"),
        "until": of.until.isoformat(timespec="seconds"),
    }
