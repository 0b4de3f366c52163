"""The caller of a request under a server whose only report of a hang-up is `http.disconnect`."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.web.callers import CALLER, Caller, Callers, DisconnectWatch
from service.web.connections import CLOSING, CONNECTION, HUNG_UP
from tests.unit.service.coroutines import run_async, settle

DISCONNECT = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Server:
    """Messages of a server for one request. Fails if `receive` is called twice at the same time."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.receiving = 0
        self.calls = 0

    async def receive(self) -> Message:
        assert not self.receiving
        self.calls += 1
        self.receiving += 1
        try:
            return await self.messages.get()
        finally:
            self.receiving -= 1


async def no_send(_: Message) -> None:
    raise AssertionError("nothing is sent")


def test_reports_a_hang_up_after_the_upload_and_not_before_it_is_read() -> None:
    async def story() -> None:
        server = Server()
        watch = DisconnectWatch(server.receive)
        for message in (part(b"a", more=True), part(b"b", more=False), DISCONNECT):
            server.messages.put_nowait(message)
        await settle()
        assert (server.calls, watch.hung_up.done()) == (0, False)  # back-pressure: nothing is read by itself
        assert await watch.receive() == part(b"a", more=True)
        await settle()
        assert (server.calls, watch.hung_up.done()) == (1, False)
        assert await watch.receive() == part(b"b", more=False)
        await settle()
        assert watch.hung_up.done()

    run_async(story)


def test_a_hang_up_during_the_upload_reaches_the_application() -> None:
    async def story() -> None:
        server = Server()
        watch = DisconnectWatch(server.receive)
        server.messages.put_nowait(part(b"a", more=True))
        server.messages.put_nowait(DISCONNECT)
        await watch.receive()
        assert await watch.receive() == DISCONNECT
        assert watch.hung_up.done()

    run_async(story)


def test_an_application_that_receives_after_the_body_shares_the_watch() -> None:
    async def story() -> None:
        server = Server()
        watch = DisconnectWatch(server.receive)
        server.messages.put_nowait(part(b"", more=False))
        await watch.receive()
        await settle()
        waiting, cancelled = (asyncio.create_task(watch.receive()) for _ in range(2))
        await settle()
        cancelled.cancel()
        await settle()
        assert (server.receiving, watch.hung_up.cancelled(), waiting.done()) == (1, False, False)
        server.messages.put_nowait(DISCONNECT)
        assert await waiting == DISCONNECT

    run_async(story)


@pytest.mark.parametrize("body_read", [False, True])
def test_a_failed_receive_is_a_hang_up(body_read: bool) -> None:
    async def story() -> None:
        async def receive() -> Message:
            raise ConnectionError("the proxy has died")

        watch = DisconnectWatch(receive)
        if body_read:
            watch.start()
            await settle()
            assert watch.hung_up.done()
        assert await watch.receive() == DISCONNECT
        assert watch.hung_up.done()

    run_async(story)


def test_a_closed_watch_leaves_no_receive_behind() -> None:
    async def story() -> None:
        server = Server()
        watch = DisconnectWatch(server.receive)
        watch.start()
        await settle()
        assert server.receiving == 1
        watch.close()
        await settle()
        assert (server.receiving, watch.hung_up.done()) == (0, False)

    run_async(story)


def called(method: str, state: dict[str, object], check: Callable[[Caller, Server], None]) -> None:
    """Sends one request through the middleware; `check` runs in the application, after other tasks have run."""

    async def story() -> None:
        server = Server()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await settle()
            check(scope["state"][CALLER], server)

        await Callers(application)(
            {"type": "http", "method": method, "state": state}, server.receive, no_send
        )
        await settle()
        assert server.receiving == 0

    run_async(story)


@pytest.mark.parametrize(("method", "watched"), [("GET", 1), ("HEAD", 1), ("POST", 0)])
def test_watches_a_request_without_a_body_at_once(method: str, watched: int) -> None:
    def check(caller: Caller, server: Server) -> None:
        assert server.receiving == watched
        assert not caller.hung_up.done()
        caller.connection.park()
        caller.connection.unpark()
        assert not caller.hung_up.done()
        caller.connection.evict()
        assert caller.hung_up.done()

    called(method, {}, check)


def test_takes_what_our_own_connection_offers() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        hung_up, closing = loop.create_future(), loop.create_future()
        server = Server()
        connection = DisconnectWatch(server.receive)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            assert receive == server.receive
            caller: Caller = scope["state"][CALLER]
            assert (caller.connection, caller.stream_ends()) == (connection, (hung_up, closing))

        state = {HUNG_UP: hung_up, CLOSING: closing, CONNECTION: connection}
        await Callers(application)({"type": "http", "method": "GET", "state": state}, server.receive, no_send)
        assert server.calls == 0

    run_async(story)


def test_an_answer_without_an_end_ends_after_its_time() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        watch = DisconnectWatch(Server().receive)
        *others, timed = Caller(watch, watch.hung_up, loop.create_future(), 0.01).stream_ends()
        await asyncio.wait_for(timed, 5)
        assert [end.done() for end in others] == [False, False]

    run_async(story)
