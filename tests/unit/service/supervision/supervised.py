"""Test harness of a Supervisor with scripted workers."""

from __future__ import annotations

import asyncio
import time

from service.supervision import Job, Supervisor, WorkerProcess
from service.supervision.supervisor import OnReady
from tests.unit.service.coroutines import settle
from tests.unit.service.supervision.peer import Worker


class SupervisorScenario:
    """A supervisor that starts scripted workers."""

    def __init__(self, on_ready: OnReady | None = None) -> None:
        self.failures: list[str] = []
        self.starts: list[float] = []
        self.error: OSError | None = None
        """Exception of the next starts."""
        self.workers: asyncio.Queue[Worker] = asyncio.Queue()
        self.supervisor = Supervisor(self._launch, self.failures.append, on_ready)
        self.supervisor.start()

    async def worker(self, *, warm: bool = True) -> Worker:
        """The next worker."""
        worker = await self.workers.get()
        if warm:
            worker.warm()
            await settle()
        return worker

    def post(self, content: bytes = b"photo") -> asyncio.Task[bytes]:
        """Queue a photo; returns the task of its answer."""
        return asyncio.create_task(self._answer(content))

    async def _answer(self, content: bytes) -> bytes:
        job = Job(content, "a", None, known=False, maximum_area=1)
        return (await self.supervisor.dispatch.answer(job)).body

    def _launch(self, *, low_memory: bool, without_scan: bool, quarantine: str | None) -> WorkerProcess:
        self.starts.append(time.monotonic())
        if self.error is not None:
            raise self.error
        worker = Worker(low_memory=low_memory, without_scan=without_scan, quarantine=quarantine)
        self.workers.put_nowait(worker)
        return worker
