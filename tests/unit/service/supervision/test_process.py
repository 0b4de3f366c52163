"""Real worker processes, with other command lines."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import sys
from pathlib import Path

import pytest

from service.ipc.channel import Channel, Message
from service.messages import ENGINE_FAILED, QUARANTINE
from service.supervision import launch_worker
from service.supervision.process import LOW_MEMORY_SETTINGS
from tests.unit.service.coroutines import run_async

WITHHELD = (
    *("API_KEY", "FACE_METRICS_KEY"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
)
LONG = 20.0
"""Time that a thread computes."""


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def test_the_status_of_a_process() -> None:
    async def story() -> None:
        for script, status in (
            ("raise SystemExit(3)", 3),
            ("import os; os.abort()", -6),
            ("import signal; signal.pause()", -9),
        ):
            process = launch_worker(low_memory=False, command=python(script))
            if status == -9:
                process.kill()
            assert await process.ended() == status
            process.kill()  # of no effect on another process with its number
            assert await process.ended() == status
            process.connection.close()

    run_async(story)


def test_a_worker_has_its_connection_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in WITHHELD:
        monkeypatch.setenv(variable, "secret")
    monkeypatch.setenv("FACE_PROVIDERS", "auto")
    monkeypatch.setenv(QUARANTINE, "of an operator")
    script = """
import json, os, sys
from service.ipc.channel import PREFIX
import socket
names = json.dumps({"own": dict(os.environ), "parent": sys.argv[2]}).encode()
socket.socket(fileno=int(sys.argv[1])).send(PREFIX.pack(0) + names)
"""

    async def story() -> None:
        for low_memory, without_scan, lost in itertools.product((False, True), repeat=3):
            process = launch_worker(
                low_memory=low_memory,
                without_scan=without_scan,
                quarantine="it is lost" if lost else None,
                command=python(script),
            )
            messages: asyncio.Queue[Message] = asyncio.Queue()
            closed = asyncio.Event()
            Channel(process.connection, messages.put_nowait, closed.set)
            report = json.loads((await messages.get()).head)
            assert report["parent"] == str(os.getpid())
            assert report["own"].keys().isdisjoint(WITHHELD)
            assert "secret" not in str(report)
            assert (report["own"].items() >= LOW_MEMORY_SETTINGS.items()) == low_memory
            assert (report["own"].get("FACE_PRECISION") == "float32") == (low_memory or without_scan)
            assert report["own"].get("FACE_PROVIDERS") == ("cpu" if lost or low_memory else "auto")
            assert report["own"].get(QUARANTINE) == ("it is lost" if lost else None)
            await closed.wait()
            assert await process.ended() == 0

    run_async(story)


def test_a_command_that_cannot_be_run_leaves_no_descriptor() -> None:
    gc.collect()  # what other tests have left
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        launch_worker(low_memory=False, command=("/nonexistent/worker",))
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.not_quick
def test_a_worker_ends_at_once_while_its_threads_compute() -> None:
    script = f"""
import asyncio, time
from service.early_exit import exit_now
from service.worker import assembly

async def serve(*_):
    asyncio.get_running_loop().create_task(asyncio.to_thread(time.sleep, {LONG}))
    await asyncio.sleep(0)
    return {ENGINE_FAILED}

assembly.serve = serve
exit_now(assembly.run(None, None, None, None))
"""

    async def story() -> None:
        process = launch_worker(low_memory=False, command=python(script))
        async with asyncio.timeout(LONG / 2):
            assert await process.ended() == ENGINE_FAILED
        process.connection.close()

    run_async(story)
