"""The application under any ASGI server: an incomplete scope, and the end of its lifespan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.settings import Settings
from service.supervision import Supervisor, launch_worker
from service.web.app import create_app
from service.web.keys import KeyRing
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.peer import Worker

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import Message

    from service.supervision import Launch, WorkerProcess


def application(launch: Launch) -> Starlette:
    """An application with one key, whose worker process this function launches."""
    settings, capacity = Settings(), Capacity(1, 1, 1)
    supervisor = Supervisor(launch, pytest.fail)
    return create_app(settings, KeyRing(["key"]), capacity, plan(settings, capacity), supervisor)


@pytest.mark.parametrize(("path", "status"), [("/welcome", 200), ("//open", 401), ("/nothing", 404)])
def test_a_request_needs_no_optional_item_of_its_scope(path: str, status: int) -> None:
    """The scope lacks all that ASGI 3.0 makes optional: client, server, scheme, root_path, raw_path and state."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing is received")

    async def story() -> None:
        app = application(launch_worker)
        await app(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "path": path,
                "query_string": b"",
                "headers": [(b"x-api-key", b"wrong")],
            },
            receive,
            send,
        )

    run_async(story)
    assert sent[0]["status"] == status


@pytest.mark.parametrize("cancelled", [True, False])
def test_the_worker_process_ends_with_the_lifespan(cancelled: bool) -> None:
    async def story() -> None:
        launched: list[Worker] = []

        def launch(**settings: Any) -> WorkerProcess:
            launched.append(Worker(**settings))
            return launched[-1]

        app = application(launch)
        over = asyncio.Event()

        async def live() -> None:
            async with app.router.lifespan_context(app):
                await over.wait()

        living = asyncio.create_task(live())
        await settle()
        (worker,) = launched
        if cancelled:
            living.cancel()
        over.set()
        await asyncio.wait({living})
        assert living.cancelled() is cancelled
        assert worker.closed.is_set()

    run_async(story)
