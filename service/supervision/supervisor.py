"""Supervisor of the worker process: one worker at a time, restart with exponential backoff, and a limit on failures."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol

from service.messages import WorkerStatus
from service.supervision import devices
from service.supervision.deaths import Death
from service.supervision.devices import DeviceRule
from service.supervision.dispatch import Dispatch
from service.supervision.link import Link
from service.supervision.outcomes import NeverReady, NotReady
from service.supervision.process import WorkerProcess

log = logging.getLogger(__name__)

MAXIMUM_FAILED_STARTS = 5
"""Consecutive failed starts after which the service exits."""
MAXIMUM_BLAMED_PHOTOS = 5
"""Consecutive photos that each killed two workers, after which the service exits. The fault is then not in the photos,
and the app would mark each further photo as failed."""
FIRST_PAUSE = 0.5
"""Seconds before the start that follows a failed one; doubled after each further failure."""

REPLACED = "replaced, with other settings"
"""End of a worker for a photo that needs one with the low-memory settings, or after that photo; and of one on the CPU,
when its device is tried again."""
NEVER = "the service could not start; its log says why"
LOADING = "the models are being loaded; photos sent now wait for them"
SILENT = "the worker process does not answer; photos sent now wait until it does, or is replaced"


State = Literal["starting", "warming up", "ready", "failed"]
"""`starting`: no worker has loaded the networks yet; `warming up`: photos wait; `failed`: the service is about to
stop."""


class Launch(Protocol):
    """Signature of `process.launch_worker`. Raises OSError."""

    def __call__(self, *, low_memory: bool, without_scan: bool, quarantine: str | None) -> WorkerProcess: ...


OnReady = Callable[[WorkerStatus | None, str | None], None]
"""Called when a worker is warm, with its status, None if that is unknown, and the cause of the end of the worker before
it; None for the first one that is warm."""


class Supervisor:
    """Supervision of the worker, from its first start to the shutdown of the service. For one event loop.

    Attributes:
        dispatch: queue of photos for the worker.
        restarts: number of worker deaths, by cause.
        resent: number of photos that were sent again, by the cause of the death before.
        devices: faults of the device, and its quarantine.
        scan_stopped: reason why a worker's scan has stopped itself, and later workers compute without it.
    """

    def __init__(
        self,
        launch: Launch,
        on_failure: Callable[[str], None],
        on_ready: OnReady | None = None,
    ) -> None:
        """`on_failure` is called once with the reason when the supervisor gives up."""
        self._launch = launch
        self._on_failure = on_failure
        self._on_ready = on_ready
        self.restarts: Counter[str] = Counter()
        self.resent: Counter[str] = Counter()
        self.devices = DeviceRule()
        self.scan_stopped: str | None = None
        self.dispatch = Dispatch(self._count_resent, self._replace)
        self._running: asyncio.Task[None] | None = None
        self._networks_loaded = asyncio.Event()
        """Set once a worker has loaded the networks, and when the supervisor gives up (`_failed`)."""
        self._failed = False
        self._closing = asyncio.Event()
        self._replacing = False
        self._link: Link | None = None
        self._last_status: WorkerStatus | None = None
        self._last_end: str | None = None
        """Cause of the end of the worker before this one."""
        self._reported = False
        self._reporting: asyncio.Task[None] | None = None
        """Report of the warm worker to `on_ready`."""

    def start(self) -> None:
        """Start the first worker, on the running loop."""
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._on_supervision_ended)

    @property
    def state(self) -> State:
        """State of the worker, also while it is replaced."""
        if self._failed:
            return "failed"
        if self._link is not None and self._link.ready:
            return "ready"
        return "warming up" if self._networks_loaded.is_set() else "starting"

    async def networks_loaded(self) -> None:
        """Wait until a first worker has loaded the networks. Raises NeverReady."""
        await self._networks_loaded.wait()
        self.check_not_failed()

    def check_not_failed(self) -> None:
        """Raise NeverReady after the supervisor has given up."""
        if self._failed:
            raise NeverReady(NEVER)

    def check_ready(self) -> None:
        """Raise NotReady while no worker is warm, NeverReady after the supervisor has given up."""
        self.check_not_failed()
        if self.state != "ready":
            raise NotReady(LOADING)

    async def check_answering(self) -> None:
        """As `check_ready`; also raises NotReady if the worker does not answer within STATUS_SECONDS."""
        self.check_ready()
        if self._link is None or await self._link.status() is None:
            raise NotReady(SILENT)

    async def status(self) -> WorkerStatus | None:
        """The worker's metrics and stages; the last known ones if it does not answer in time."""
        if self._link is not None:
            self._last_status = await self._link.status() or self._last_status
        return self._last_status

    async def close(self) -> None:
        """Stop the worker, and wait for its exit."""
        self._closing.set()
        self._replace()
        if self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        failed_starts, ever_ready = 0, False
        while not self._closing.is_set():
            death, link = await self._one_worker()
            ready, refusal = (link.ready, link.refusal) if link else (False, None)
            if self._closing.is_set() or self._replacing:
                self._replacing = False
                self._last_end = REPLACED
                continue
            self.restarts[death.cause] += 1
            self._last_end = death.cause
            faulty_device = self._device_failed(death, link, ever_ready=ever_ready)
            had_photos = self.dispatch.died(death, may_blame=ready and not faulty_device)
            cause = death.cause if refusal is None else f"{death.cause}: {refusal}"
            # A worker that died by itself, with no photo and no answer since its start, counts as a failed start. After
            # two faults of a device the CPU is tried, before failed starts end the service.
            counts_as_start = faulty_device or (
                ready and (had_photos or death.unrelated or (link is not None and link.answered))
            )
            failed_starts, ever_ready = 0 if counts_as_start else failed_starts + 1, ever_ready or ready
            if refusal is not None and not ever_ready and not faulty_device:
                self._give_up(refusal)
            elif self.dispatch.blamed == MAXIMUM_BLAMED_PHOTOS:
                self._give_up(
                    f"{MAXIMUM_BLAMED_PHOTOS} photos in a row ended the worker process twice each ({cause})"
                )
            elif failed_starts == MAXIMUM_FAILED_STARTS:
                self._give_up(f"the worker process died at {failed_starts} starts in a row ({cause})")
            else:
                log.warning("the worker process died (%s); another one is started", cause)
                await self._pause(failed_starts)
                continue
            return

    async def _one_worker(self) -> tuple[Death, Link | None]:
        """Start a worker and wait for its death. The link is None if no process could be started."""
        low_memory = self.dispatch.needs_low_memory
        without_scan = self.scan_stopped is not None
        if without_scan:
            log.error(
                "this worker process computes in float32 alone, without the scan: %s", self.scan_stopped
            )
        try:
            process = self._launch(
                low_memory=low_memory,
                without_scan=without_scan,
                quarantine=str(self.devices.quarantine) if self.devices.quarantine else None,
            )
        except OSError as error:
            return Death(f"not started: {error.strerror}"), None
        self._link = link = Link(
            process,
            self.dispatch,
            self._networks_loaded.set,
            self._stop_scan,
            self._warm,
            low_memory=low_memory,
        )
        try:
            return await link.run(), link
        finally:
            link.close()
            self._link = None

    def _device_failed(self, death: Death, link: Link | None, *, ever_ready: bool) -> bool:
        """True if the fault of a device has ended a worker; the rule for devices then decides on the next ones."""
        reason = link.fault_of_device(death) if link else None
        if link is None or link.device is None or reason is None:
            return False
        if link.refusal is not None and not ever_ready and not self.devices.faults:
            return False  # a setting that cannot be met: the first start says so
        self.devices.failed(link.device, reason)
        if self.devices.quarantine is not None:
            self._try_device_later()
        return True

    def _try_device_later(self) -> None:
        asyncio.get_running_loop().call_later(devices.QUARANTINE_SECONDS, self._try_device_again)

    def _try_device_again(self) -> None:
        """End the quarantine of the device, and the worker on the CPU at its next moment without a photo."""
        self.devices.release()
        if self._link is not None:
            self.dispatch.replace_when_idle()

    def _warm(self) -> None:
        link = self._link
        if link is not None and not link.low_memory and self.devices.warm(link.device):
            self._try_device_later()
        if self._on_ready is not None:
            self._reporting = asyncio.create_task(self._report_ready(self._on_ready))

    async def _report_ready(self, on_ready: OnReady) -> None:
        status = await self.status()
        if self.state == "ready":
            on_ready(status, self._last_end if self._reported else None)
            self._reported = True

    async def _pause(self, failed_starts: int) -> None:
        if failed_starts:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_PAUSE * 2 ** (failed_starts - 1)):
                    await self._closing.wait()

    def _replace(self) -> None:
        """Stop the present worker, which has no photo; another one is started."""
        if self._link is not None:
            self._replacing = True
            self._link.close()

    def _on_supervision_ended(self, running: asyncio.Task[None]) -> None:
        """Stop the service if its supervision ended with an exception: photos would wait forever."""
        if not running.cancelled() and (error := running.exception()):
            log.error("the supervision of the worker process failed", exc_info=error)
            self._give_up(f"the supervision of the worker process failed ({type(error).__name__}: {error})")

    def _give_up(self, reason: str) -> None:
        self._failed = True
        self._networks_loaded.set()
        self.dispatch.fail(NeverReady(NEVER))
        self._on_failure(reason)

    def _stop_scan(self, reason: str) -> None:
        self.scan_stopped = reason

    def _count_resent(self, death: Death) -> None:
        self.resent[death.cause] += 1
