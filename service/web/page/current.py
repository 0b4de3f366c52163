"""The present state of the service: from the supervisor, the activity and the memory of all processes.

It is made at most once a second, however many callers without a key ask for it.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address

from model_store.models import MODELS
from service.activity import ActivityLog
from service.estimate.library import estimate
from service.memory.capacity import Capacity, memory
from service.memory.used import used
from service.messages import StageReport
from service.recognition.compute.core_count import computing_cores
from service.settings import Settings
from service.supervision import Supervisor
from service.text import without_brackets
from service.versions import versions
from service.web.page import proofs
from service.web.page.cached import Cached
from service.web.page.stages import cpu_name, on_gpu, stage_statuses, unused_gpu
from service.web.page.status import (
    Activity,
    Estimate,
    Failure,
    Memory,
    Minute,
    Option,
    Proof,
    Status,
)

NO_ADDRESS = frozenset({"", "*", "0"})
"""Values of FACE_HOST for all addresses, beside `::` and `0.0.0.0`."""

LIBRARY = 40_000
"""Photos of the library whose time is estimated; the time of another number is in proportion."""

STATUS_SECONDS = 1.0
"""Age up to which a state is given again."""
MEMORY_SECONDS = 10.0
"""The same of the memory in use, which takes the kernel 7 ms to add up."""


class CurrentStatus:
    """Source of the service's state. For one event loop."""

    def __init__(
        self, settings: Settings, capacity: Capacity, supervisor: Supervisor, activity: ActivityLog
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._activity = activity
        self._memory_limit = memory(settings)
        self._model = MODELS[settings.model]
        self._versions = versions()
        self._cpu, self._cores = cpu_name(), computing_cores()
        self._at_once = capacity.at_once
        self._stages: Mapping[str, StageReport] = {}
        """Of the last worker that was ready."""
        self._of_conversion: list[Proof] | None = None
        self._memory = Cached(lambda: asyncio.to_thread(used), MEMORY_SECONDS)
        self._status = Cached(self._made, STATUS_SECONDS)
        self._serialised: tuple[Status, bytes] | None = None

    async def status(self) -> Status:
        """The state, at most STATUS_SECONDS old."""
        return await self._status.get()

    async def json(self) -> bytes:
        """The state as JSON in UTF-8, in one line."""
        status = await self.status()
        if self._serialised is None or self._serialised[0] is not status:
            self._serialised = status, status.model_dump_json().encode()
        return self._serialised[1]

    async def _made(self) -> Status:
        state = self._supervisor.state
        if state == "ready" and (worker := await self._supervisor.status()):
            self._stages = worker.stages or self._stages
        if self._of_conversion is None:
            self._of_conversion = await asyncio.to_thread(proofs.of_conversion, self._settings, self._model)
        stages = self._stages
        return Status(
            state=state,
            version=self._versions["service"] or "",
            versions=self._versions,
            model=self._model.number,
            model_description=self._model.description,
            started=datetime.fromtimestamp(self._activity.started, UTC).isoformat(timespec="seconds"),
            address_hint=_address(self._settings),
            stages=list(stage_statuses(stages, self._cpu)),
            proofs=[*proofs.of_stages(stages, self._supervisor.scan_stopped), *self._of_conversion],
            unused_gpu=unused_gpu(self._settings, stages, self._supervisor.devices.quarantine),
            activity=await self._current_activity(),
            estimate=self._estimate(),
            failures=[Failure.model_validate(failure) for failure in self._activity.failures()],
        )

    async def _current_activity(self) -> Activity:
        activity, dispatch = self._activity, self._supervisor.dispatch
        today = activity.today()
        return Activity(
            photos_last_minute=activity.last_minute(),
            photos_today=today.photos,
            photos_total=activity.photos,
            failed_today=today.failed,
            waiting=dispatch.not_in_work,
            in_work=dispatch.in_work,
            retried=self._supervisor.resent.total(),
            worker_restarts=self._supervisor.restarts.total(),
            memory=Memory(used=await self._memory.get(), limit=self._memory_limit),
            last_hour=[Minute.model_validate(minute) for minute in activity.last_hour()],
        )

    def _estimate(self) -> Estimate | None:
        load = self._activity.load()
        if load is None:
            return None
        estimated = estimate(load, LIBRARY, self._cores, on_cpu=not on_gpu(self._stages.values()))
        return Estimate(
            photos=LIBRARY,
            hours=estimated.hours,
            photos_per_minute=estimated.photos_per_minute,
            mean_megapixels=load.pixels / 1e6,
            busy_share=min(load.busy_seconds / load.seconds, 1),
            at_once=self._at_once,
            sample=load.photos,
            options=[Option.model_validate(option) for option in estimated.options],
        )


def _address(settings: Settings) -> str | None:
    """FACE_HOST and PORT; None if FACE_HOST stands for all addresses."""
    host = without_brackets(settings.host)
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        everywhere = host in NO_ADDRESS
    if everywhere:
        return None
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
