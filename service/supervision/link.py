"""Link to one worker process, from its start to its death: message dispatch, liveness checks, cause of death."""

import asyncio
import itertools
import logging
from collections.abc import Callable

from service.ipc.channel import Channel, Message
from service.messages import (
    CPU,
    Answered,
    Begun,
    CannotStart,
    DeviceFaulted,
    DeviceTried,
    MalformedMessage,
    NetworksLoaded,
    Ready,
    ScanStopped,
    StatusReport,
    StatusRequest,
    WorkerStatus,
    from_worker,
    worker_status,
)
from service.supervision.deaths import MALFORMED, STUCK, UNENDED, Death, death, oom_kills
from service.supervision.devices import Device, fault
from service.supervision.dispatch import Dispatch
from service.supervision.process import WorkerProcess

log = logging.getLogger(__name__)

STATUS_SECONDS = 1.0
"""Timeout of a status request. A busy worker answers within 15 ms."""
CHECK_SECONDS = 30.0
"""Interval of the checks that the worker's event loop runs."""
STUCK_SECONDS = 300.0
"""Timeout of a check, after which the worker is killed. Its event loop is blocked for seconds while the networks are
loaded, and computes nothing later. After that it answers late only on a machine that swaps, and then by seconds."""

CLOSING_SECONDS = 5.0
"""Grace period for a worker to exit after its connection is closed."""


class Link:
    """One worker and its connection, on the running event loop.

    Attributes:
        ready: the worker is warmed up.
        refusal: the reason why the worker cannot start with these settings; None without one.
        answered: the worker has answered a photo.
        low_memory: the worker has the low-memory settings.
        device: the device that the worker opens or uses; None without one.
    """

    def __init__(
        self,
        process: WorkerProcess,
        dispatch: Dispatch,
        networks_loaded: Callable[[], None],
        scan_stopped: Callable[[str], None],
        warm: Callable[[], None],
        *,
        low_memory: bool,
    ) -> None:
        """`networks_loaded` is called when the worker has loaded its networks; it then gets photos.

        `scan_stopped` is called with the reason when the worker's scan has stopped itself; `warm` when the
        worker is warmed up.
        """
        self._process = process
        self._dispatch = dispatch
        self._networks_loaded = networks_loaded
        self._scan_stopped = scan_stopped
        self._warm = warm
        self.low_memory = low_memory
        self._oom_kills = oom_kills()
        self._closed = asyncio.Event()
        self._channel = Channel(process.connection, self._received, self._disconnected)
        self._numbers = itertools.count(1)
        self._requests: dict[int, asyncio.Future[WorkerStatus]] = {}
        self._killed_for: Death | None = None
        self.ready = False
        self.refusal: str | None = None
        self.answered = False
        self.device: Device | None = None
        self._device_fault: str | None = None
        """Reason that the worker gave for a fault of its device."""

    async def run(self) -> Death:
        """Serve the connection until the worker has exited, and return its death."""
        if await self._connected_until_stuck():
            self._kill(STUCK)
        self.close()
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                status = await self._process.ended()
        except TimeoutError:
            self._kill(UNENDED)
            status = await self._process.ended()
        return self._killed_for or death(status, self._oom_kills)

    def fault_of_device(self, death: Death) -> str | None:
        """The fault of the device that ended the worker, in one line; None if the device is not the cause."""
        return fault(self.device, death, ready=self.ready, reported=self._device_fault, refusal=self.refusal)

    def close(self) -> None:
        """Close the connection, which makes the worker exit."""
        self._channel.close()
        self._disconnected()

    async def status(self, seconds: float = STATUS_SECONDS) -> WorkerStatus | None:
        """The worker's metrics and stages; None on a timeout, or if the worker has exited."""
        if self._closed.is_set():
            return None
        number = next(self._numbers)
        request = self._requests[number] = asyncio.get_running_loop().create_future()
        self._channel.send(StatusRequest(number=number).head())
        try:
            await asyncio.wait({request}, timeout=seconds)
            return request.result() if request.done() and not request.cancelled() else None
        finally:
            del self._requests[number]

    async def _connected_until_stuck(self) -> bool:
        """Wait until the connection ends (returns False) or the worker no longer answers (returns True)."""
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._closed.wait()
            except TimeoutError:
                if await self.status(STUCK_SECONDS) is None and not self._closed.is_set():
                    return True
                # Kills counted so far ended other processes of the machine.
                self._oom_kills = oom_kills()
            else:
                return False

    def _kill(self, cause: Death) -> None:
        """Kill the worker. The first cause is kept: this SIGKILL would otherwise count as sent by another process."""
        self._killed_for = self._killed_for or cause
        self._process.kill()

    def _disconnected(self) -> None:
        self._dispatch.disconnected()
        self._closed.set()
        for request in self._requests.values():
            request.cancel()

    def _received(self, message: Message) -> None:
        try:
            match parsed := from_worker(message.head):
                case NetworksLoaded():
                    self._networks_loaded()
                    self._dispatch.connected(self._channel, low_memory=self.low_memory)
                case Ready():
                    self.ready = True
                    self._warm()
                case CannotStart():
                    self.refusal = message.body.decode(errors="replace")
                case DeviceTried():
                    on_cpu = parsed.provider == CPU
                    self.device = None if on_cpu else Device(parsed.provider, parsed.device)
                case DeviceFaulted():
                    self._device_fault = parsed.reason
                case Begun():
                    self._dispatch.begun(parsed)
                case ScanStopped():
                    self._scan_stopped(parsed.reason)
                case StatusReport():
                    self._reported(parsed.number, worker_status(message.body))
                case _:
                    self.answered = self.answered or isinstance(parsed, Answered)
                    self._dispatch.ended(parsed, message.body)
        except MalformedMessage as error:
            log.error("the worker process is killed, since it sent an invalid message: %s", error)  # noqa: TRY400
            self._kill(MALFORMED)

    def _reported(self, number: int, status: WorkerStatus) -> None:
        request = self._requests.get(number)
        if request is not None and not request.done():
            request.set_result(status)
