from __future__ import annotations

import asyncio
import sys

import pytest

from service.ipc import SealedMemory
from service.messages import Cancelled, Faulted, RefusedPhoto
from service.supervision import NeverReady, WorkerFault, dispatch
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.dispatched import CRASH, NAME, DispatchScenario, job, refusal

pytestmark = pytest.mark.usefixtures("no_descriptor_leaks")


def test_photos_are_sent_in_order_of_arrival_with_all_their_bytes() -> None:
    async def story() -> None:
        service = DispatchScenario()
        answers = service.post(b"first", b"second")
        await settle()
        assert service.dispatch.waiting == 2
        peer = service.start()
        known = asyncio.create_task(service.dispatch.answer(job(b"third", b'{"left":1}')))
        for content, face in ((b"first", b""), (b"second", b""), (b"third", b'{"left":1}')):
            came = await peer.photo()
            assert came.content == content + NAME.encode() + face
            assert (came.photo.size, came.photo.name) == (len(content), len(NAME))
            assert came.photo.known == bool(face)
            peer.answer(came, content)
        assert [await answer for answer in answers] == [b"first", b"second"]
        answer = await known
        assert answer.body == b"third"
        assert list(answer.milliseconds) == ["decode", "wait"]
        assert 0 < answer.milliseconds["wait"] < 1000
        await service.end(peer)

    run_async(story)


def test_unanswered_photos_do_not_exceed_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "WINDOW", 2)

    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        answers = service.post(*(b"%d" % number for number in range(5)))
        first, second = await peer.photo(), await peer.photo()
        assert await peer.is_idle()
        assert service.dispatch.waiting == 3
        peer.answer(second)
        third = await peer.photo()
        assert third.content.startswith(b"2")
        assert await peer.is_idle()
        for came in (first, third):
            peer.answer(came)
        for _ in range(2):
            peer.answer(await peer.photo())
        await asyncio.gather(*answers)
        await service.end(peer)

    run_async(story)


def test_outcomes_reach_the_caller() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        refused, faulted, given_up = service.post(b"refused", b"faulted", b"given up")
        numbers = [(await peer.photo()).number for _ in range(3)]
        peer.send(RefusedPhoto(number=numbers[0], status=412, error="ImageTooLarge", reason="too large"))
        peer.send(Faulted(number=numbers[1], reason="no device"))
        peer.send(Cancelled(number=numbers[2]))
        peer.send(Cancelled(number=1000))  # of no photo
        assert await refusal(refused) == (412, "too large")
        with pytest.raises(WorkerFault, match="no device"):
            await faulted
        with pytest.raises(WorkerFault, match="cancelled the image"):
            await given_up
        await service.end(peer)

    run_async(story)


def test_a_hang_up_removes_a_waiting_photo() -> None:
    async def story() -> None:
        service = DispatchScenario()
        gone, stays = service.post(b"gone", b"stays")
        await settle()
        gone.cancel()
        await settle()
        assert service.dispatch.waiting == 1
        peer = service.start()
        came = await peer.photo()
        assert came.content.startswith(b"stays")
        peer.answer(came)
        await stays
        await service.end(peer)

    run_async(story)


def test_a_photo_cancelled_at_the_moment_of_sending_is_not_sent() -> None:
    async def story() -> None:
        service = DispatchScenario()
        gone, stays = service.post(b"gone", b"stays")
        await settle()
        gone.cancel()
        peer = service.start()  # before the cancelled task has run
        came = await peer.photo()
        assert came.content.startswith(b"stays")
        peer.answer(came)
        await stays
        await service.end(peer)

    run_async(story)


@pytest.mark.parametrize("begun", [True, False])
def test_a_cancelled_photo_counts_until_its_processing_ends(
    begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "WINDOW", 1)

    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        gone, stays = service.post(b"gone", b"stays")
        came = await peer.photo(begun=begun)
        gone.cancel()
        assert await peer.cancelled.get() == came.number
        assert await peer.is_idle()
        peer.send(Cancelled(number=came.number))
        following = await peer.photo()
        peer.answer(following)
        await stays
        await service.end(peer)

    run_async(story)


def test_a_cancelled_photo_is_not_resent() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        gone, other = service.post(b"gone", b"other")
        for _ in range(2):
            await peer.photo()
        gone.cancel()
        await peer.cancelled.get()
        await service.die(peer, CRASH)
        peer = service.start()
        came = await peer.photo()
        assert came.content.startswith(b"other")
        peer.answer(came)
        await other
        assert await peer.is_idle()
        assert len(service.resent) == 1
        await service.end(peer)

    run_async(story)


def test_an_answer_after_its_caller_has_hung_up_is_dropped() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        (gone,) = service.post(b"gone")
        came = await peer.photo()
        gone.cancel()
        await peer.cancelled.get()
        peer.answer(came)
        await settle()
        await service.end(peer)

    run_async(story)


def test_a_hang_up_between_two_workers_removes_the_photo() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        (gone,) = service.post(b"gone")
        await peer.photo()
        peer.channel.close()
        await settle()  # the connection has ended, and the process has not
        gone.cancel()
        await settle()
        await service.die(peer, CRASH)
        assert service.resent == []
        await service.end(peer)

    run_async(story)


def test_fail_ends_present_and_later_photos() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        answers = service.post(b"sent", b"sent too")
        for _ in range(2):
            await peer.photo()
        await service.die(peer, CRASH, ready=False)
        service.dispatch.fail(NeverReady("never"))
        for answer in answers + service.post(b"later"):
            with pytest.raises(NeverReady):
                await answer
        await service.end(peer)

    run_async(story)


def test_a_photo_without_a_memory_file_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        (first,) = service.post(b"first")
        came = await peer.photo()
        with monkeypatch.context() as patch:
            patch.setattr(SealedMemory, "of", no_memory_file)
            rest = service.post(b"second", b"third")
            assert await peer.is_idle()
        assert service.dispatch.waiting == 2
        peer.answer(came)
        for content in (b"second", b"third"):
            came = await peer.photo()
            assert came.content.startswith(content)
            peer.answer(came)
        await asyncio.gather(first, *rest)
        await service.end(peer)

    run_async(story)


def test_a_photo_without_a_memory_file_is_refused_where_none_will_be_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        service = DispatchScenario()
        answers = service.post(b"first", b"second")
        await settle()
        with monkeypatch.context() as patch:
            patch.setattr(SealedMemory, "of", no_memory_file)
            peer = service.start()
            for answer in answers:
                status, reason = await refusal(answer)
                assert (status, "Too many open files" in reason) == (503, True)
        (later,) = service.post(b"later")
        peer.answer(await peer.photo())
        await later
        await service.end(peer)

    run_async(story)


def no_memory_file(*_: object) -> SealedMemory:
    raise OSError(24, "Too many open files")


def test_the_bytes_of_a_photo_are_held_once() -> None:
    async def story() -> None:
        service = DispatchScenario()
        content = bytes(1000)
        (answer,) = service.post(content)
        await settle()
        waiting = sys.getrefcount(content)
        peer = service.start()
        came = await peer.photo()
        assert sys.getrefcount(content) == waiting - 1  # in the memory file alone
        peer.answer(came)
        await answer
        await service.end(peer)

    run_async(story)
