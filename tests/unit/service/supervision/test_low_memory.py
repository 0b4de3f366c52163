"""Workers with the low-memory settings, for a photo that exhausted the memory before."""

from __future__ import annotations

import pytest

from service.supervision import Refused
from tests.unit.service.coroutines import run_async
from tests.unit.service.supervision.supervised import SupervisorScenario


@pytest.fixture(autouse=True)
def _hidden_oom_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SIGKILL counts as out of memory."""
    monkeypatch.setattr("service.supervision.link.oom_kills", lambda: None)
    monkeypatch.setattr("service.supervision.deaths.oom_kills", lambda: None)


def test_out_of_memory_retries_a_photo_in_a_low_memory_worker() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        large, small = it.post(b"large"), it.post(b"small")
        sizes: list[bool] = []
        for _ in range(3):
            worker = await it.worker()
            sizes.append(worker.low_memory)
            await worker.photo()
            worker.die(-9)
        with pytest.raises(Refused) as refused:
            await large
        assert (refused.value.status, refused.value.error) == (503, "TooLittleMemory")
        worker = await it.worker()
        sizes.append(worker.low_memory)
        worker.answer(await worker.photo(), b"{}")
        assert await small == b"{}"
        assert sizes == [False, False, True, False]
        assert it.supervisor.restarts == {"out of memory": 3}
        await it.supervisor.close()

    run_async(story)


def test_a_low_memory_worker_is_replaced_after_its_answer() -> None:
    async def story() -> None:
        it = SupervisorScenario()
        large = it.post(b"large")
        for _ in range(2):
            worker = await it.worker()
            await worker.photo()
            worker.die(-9)
        restricted = await it.worker()
        restricted.answer(await restricted.photo(), b"{}")
        await large
        worker = await it.worker()
        assert (restricted.low_memory, worker.low_memory) == (True, False)
        assert restricted.closed.is_set()
        assert it.supervisor.restarts.total() == 2  # a replacement is no death
        later = it.post()
        worker.answer(await worker.photo(), b"{}")
        await later
        worker.die(-11)  # and counts again
        await it.worker()
        assert it.supervisor.restarts["SIGSEGV"] == 1
        await it.supervisor.close()

    run_async(story)
