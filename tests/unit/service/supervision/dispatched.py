"""Test harness of a Dispatch with scripted workers, one at a time."""

from __future__ import annotations

import asyncio

import pytest

from service import ipc
from service.ipc.channel import Channel, Message
from service.messages import Begun, from_worker
from service.supervision import Dispatch, Job, Refused
from service.supervision.deaths import Death
from tests.unit.service.coroutines import settle
from tests.unit.service.supervision.peer import Peer

CRASH = Death("SIGSEGV")

NAME = "private.jpg"

Answer = asyncio.Task[bytes]


class DispatchScenario:
    """A Dispatch, and its scripted workers, one at a time."""

    def __init__(self) -> None:
        self.resent: list[Death] = []
        self.replaced = 0
        self.dispatch = Dispatch(self.resent.append, self._replace)
        self._channel: Channel | None = None

    def start(self, *, low_memory: bool = False) -> Peer:
        ours, its = ipc.pair()
        peer = Peer(its)
        self._channel = Channel(ours, self._received, self.dispatch.disconnected)
        self.dispatch.connected(self._channel, low_memory=low_memory)
        return peer

    def post(self, *contents: bytes) -> list[Answer]:
        """Queue photos."""
        return [asyncio.create_task(self._post(content)) for content in contents]

    async def die(self, peer: Peer, death: Death, *, ready: bool = True) -> None:
        peer.channel.close()
        await settle()
        assert self._channel is not None
        self._channel.close()
        self.dispatch.died(death, may_blame=ready)
        await settle()

    async def end(self, *peers: Peer) -> None:
        if self._channel is not None:
            self._channel.close()
        for peer in peers:
            peer.channel.close()
        await settle()
        assert self.dispatch.waiting == 0

    async def _post(self, content: bytes) -> bytes:
        return (await self.dispatch.answer(job(content))).body

    def _received(self, message: Message) -> None:
        parsed = from_worker(message.head)
        if isinstance(parsed, Begun):
            self.dispatch.begun(parsed)
        else:
            self.dispatch.ended(parsed, message.body)  # type: ignore[arg-type]

    def _replace(self) -> None:
        self.replaced += 1
        self.dispatch.disconnected()


def job(content: bytes, face: bytes | None = None) -> Job:
    return Job(content, NAME, face, known=face is not None, maximum_area=100)


async def refusal(answer: Answer) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        await answer
    return refused.value.status, str(refused.value)
