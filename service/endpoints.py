"""One function an endpoint: parse, recognise, answer."""

import asyncio
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from model_store.store import Status, WeightStore
from service import answers
from service.capacity import Capacity
from service.face_part import face_of
from service.intake import Intake
from service.memory_plan import MemoryPlan
from service.metrics import CONTENT_TYPE, Metrics
from service.photo_work import Task
from service.readiness import Readiness
from service.recognition.models import MODELS
from service.settings import Settings
from service.uploads import Upload
from service.versions import own_version, versions

INSTALL = "python -m model_store fetch"
"""Not `command`, which names a folder of this machine: the endpoint needs no key."""


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of one service; what they raise becomes a status in `service.errors`."""

    settings: Settings
    readiness: Readiness
    intake: Intake
    capacity: Capacity
    plan: MemoryPlan
    weights: WeightStore
    metrics: Metrics

    async def detect(self, request: Request) -> Response:
        """The faces of a photo."""

        def task_of(upload: Upload) -> Task:
            return Task(None, lambda faces: answers.detected(upload.name, faces))

        body = await self.intake.answer(request, self.plan.accepted_area, task_of)
        return Response(body, media_type=answers.JSON)

    async def compute(self, request: Request) -> Response:
        """Landmarks and descriptor of a face that the caller knows, on the original photo."""

        def task_of(upload: Upload) -> Task:
            known = face_of(upload.other_parts)
            return Task([known.rectangle], lambda faces: answers.computed(upload.name, known.echo, faces[0]))

        body = await self.intake.answer(request, self.settings.maximum_original_area, task_of)
        return Response(body, media_type=answers.JSON)

    async def open(self, _: Request) -> Response:
        """What the app asks before it works: which format to send, and how large.

        While the models load it is 200, and photos wait; after they failed to load it is not, so that none is sent.
        """
        self.readiness.check()
        return answers.answer(
            {
                "preferred_mimetype": self.settings.preferred_mimetype,
                "maximum_area": self.plan.advertised_area,
            }
        )

    async def health(self, _: Request) -> Response:
        """The process is alive; says nothing about the models."""
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """A photo sent now is worked on at once."""
        self.readiness.now()
        return answers.answer({"ready": True})

    async def prometheus(self, _: Request) -> Response:
        """Counts and times, for Prometheus; needs no key, since it contains no name and no photo."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def welcome(self, _: Request) -> Response:
        """A greeting for a person who tries the address, or what is missing."""
        missing = [status.weight.name for status in await self._weights() if status.state != "verified"]
        greeting = (
            f"Neural network files are missing or damaged: {', '.join(missing)}. Run `{INSTALL}`"
            if missing
            else "welcome"
        )
        return answers.answer(
            {
                "facerecognition-external-model": greeting,
                "version": own_version(),
                "model": self.settings.model,
            }
        )

    async def info(self, _: Request) -> Response:
        """Versions, model, which weights, the engine and provider of every stage, limits."""
        model = MODELS[self.settings.model]
        stages = self.readiness.now().stages()
        return answers.answer(
            {
                "versions": versions(),
                "model": {"number": model.number, "description": model.description},
                "weights": {
                    status.weight.name: {"sha256": status.sha256, "origin": status.detail}
                    for status in await self._weights()
                },
                "stages": {name: asdict(stage) for name, stage in stages.items()},
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

    async def _weights(self) -> list[Status]:
        # In a thread: files that have changed are hashed again.
        return await asyncio.to_thread(self.weights.status, MODELS[self.settings.model].weights)
