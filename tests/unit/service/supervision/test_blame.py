"""Photos in progress at a worker's death: resent alone, and refused at the second death."""

from __future__ import annotations

import asyncio

import pytest

from service.supervision import Refused, blame
from service.supervision.deaths import Death
from tests.unit.service.coroutines import run_async, settle
from tests.unit.service.supervision.dispatched import CRASH, NAME, DispatchScenario, job, refusal

pytestmark = pytest.mark.usefixtures("no_descriptor_leaks")

KILLED = Death("SIGKILL", unrelated=True)
OUT_OF_MEMORY = Death("out of memory", out_of_memory=True)


def test_photos_in_progress_at_a_death_are_resent_alone_and_first() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        answers = service.post(b"a", b"b", b"waits there", b"d")
        for _ in range(2):
            await peer.photo()
        for _ in range(2):
            await peer.photo(begun=False)
        await service.die(peer, CRASH)
        answers += service.post(b"new")
        assert service.resent == [CRASH] * 4

        peer = service.start()
        for suspect in (b"a", b"b"):
            came = await peer.photo()
            assert came.content.startswith(suspect)
            assert await peer.is_idle()  # nothing in addition
            peer.answer(came, suspect)
        together = [await peer.photo() for _ in range(3)]
        assert [came.photo.size for came in together] == [11, 1, 3]
        for came in together:
            peer.answer(came)
        assert [await answer for answer in answers] == [b"a", b"b", b"{}", b"{}", b"{}"]
        await service.end(peer)

    run_async(story)


def test_a_suspect_waits_for_the_end_of_all_others() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        suspect, other = service.post(b"suspect", b"other")
        await peer.photo()
        await peer.photo(begun=False)
        await service.die(peer, CRASH)
        peer = service.start()
        came = await peer.photo()
        assert await peer.is_idle()
        assert came.content.startswith(b"suspect")
        later = service.post(b"later")
        assert await peer.is_idle()
        peer.answer(came)
        for _ in range(2):
            peer.answer(await peer.photo())
        await asyncio.gather(suspect, other, *later)
        await service.end(peer)

    run_async(story)


def test_the_photo_that_is_alone_at_a_second_death_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        culprit, harmless = service.post(b"culprit", b"harmless")
        for _ in range(2):
            await peer.photo()
        await service.die(peer, CRASH)
        peer = service.start()
        assert (await peer.photo()).content.startswith(b"culprit")
        await service.die(peer, CRASH)
        status, reason = await refusal(culprit)
        assert (status, "SIGSEGV" in reason) == (415, True)
        peer = service.start()
        came = await peer.photo()
        peer.answer(came, b"harmless")
        assert await harmless == b"harmless"
        await service.end(peer)

    run_async(story)
    (line,) = caplog.text.splitlines()
    for detail in ("7 bytes", "JPEG, 640 x 480", "SIGSEGV"):
        assert detail in line
    assert NAME not in line


def test_a_refused_photo_keeps_its_format_for_the_record_of_failures() -> None:
    async def story() -> None:
        service = DispatchScenario()
        culprit = job(b"culprit")
        answer = asyncio.ensure_future(service.dispatch.answer(culprit))
        for _ in range(2):
            peer = service.start()
            await peer.photo()
            await service.die(peer, CRASH)
        with pytest.raises(Refused):
            await answer
        assert culprit.begun is not None
        assert (culprit.begun.format, culprit.begun.width) == ("JPEG", 640)

    run_async(story)


def test_a_death_before_any_photo_is_in_progress_makes_all_of_them_suspects() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        answers = service.post(b"a", b"b")
        for _ in range(2):
            await peer.photo(begun=False)
        await service.die(peer, CRASH)
        peer = service.start()
        for _ in range(2):
            came = await peer.photo()
            assert await peer.is_idle()
            peer.answer(came)
        await asyncio.gather(*answers)
        await service.end(peer)

    run_async(story)


def test_out_of_memory_is_refused_after_a_low_memory_worker() -> None:
    async def story() -> None:
        service = DispatchScenario()
        peer = service.start()
        large, waits = service.post(b"large", b"waits")
        await peer.photo()
        await peer.photo(begun=False)
        await service.die(peer, OUT_OF_MEMORY)
        peer = service.start()
        await peer.photo()
        await service.die(peer, OUT_OF_MEMORY)
        peer = service.start(low_memory=service.dispatch.needs_low_memory)
        assert (await peer.photo()).content.startswith(b"large")
        assert await peer.is_idle()
        await service.die(peer, OUT_OF_MEMORY)
        status, reason = await refusal(large)
        assert (status, "memory" in reason) == (503, True)
        peer = service.start(low_memory=service.dispatch.needs_low_memory)
        peer.answer(await peer.photo())
        await waits
        assert service.replaced == 0  # each was of the right size
        await service.end(peer)

    run_async(story)


def test_a_low_memory_worker_is_replaced_after_its_answer() -> None:
    async def story() -> None:
        service = DispatchScenario()
        large, waits = service.post(b"large", b"waits")
        peer = service.start()
        await peer.photo()
        await peer.photo(begun=False)
        for _ in range(2):
            await service.die(peer, OUT_OF_MEMORY)
            peer = service.start(low_memory=service.dispatch.needs_low_memory)
            came = await peer.photo()
        peer.answer(came, b"after all")
        assert await large == b"after all"
        assert await peer.is_idle()
        assert service.replaced == 1
        peer.channel.close()
        peer = service.start()
        peer.answer(await peer.photo())
        await waits
        await service.end(peer)

    run_async(story)


def test_a_worker_with_the_wrong_settings_is_replaced() -> None:
    async def story() -> None:
        service = DispatchScenario()
        (large,) = service.post(b"large")
        peer = service.start()
        await peer.photo()
        for _ in range(2):
            await service.die(peer, OUT_OF_MEMORY)
            peer = service.start()
            await settle()
        assert await peer.is_idle() == (service.replaced == 1)
        assert service.replaced == 1
        # Its caller hangs up while the low-memory worker starts.
        large.cancel()
        await settle()
        peer.channel.close()
        peer = service.start(low_memory=True)
        await settle()
        assert service.replaced == 2
        await service.end(peer)

    run_async(story)


def test_a_crash_of_a_low_memory_worker_blames_the_image() -> None:
    async def story() -> None:
        service = DispatchScenario()
        (large,) = service.post(b"large")
        for death in (OUT_OF_MEMORY, OUT_OF_MEMORY, CRASH):
            peer = service.start(low_memory=service.dispatch.needs_low_memory)
            await peer.photo()
            await service.die(peer, death)
        assert (await refusal(large))[0] == 415
        await service.end(peer)

    run_async(story)


def test_twice_as_many_unrelated_kills_as_isolate_a_photo_do_not_refuse_it() -> None:
    async def story() -> None:
        service = DispatchScenario()
        first, second = service.post(b"a", b"b")
        for _ in range(blame.MAXIMUM_UNRELATED):
            peer = service.start()
            for _ in range(2):
                await peer.photo()  # together: none is a suspect
            await service.die(peer, KILLED)
        for _ in range(blame.MAXIMUM_UNRELATED):
            peer = service.start()
            await peer.photo()
            assert await peer.is_idle()  # alone from now on
            await service.die(peer, KILLED)
        assert service.dispatch.needs_low_memory
        peer = service.start(low_memory=True)
        peer.answer(await peer.photo(), b"a")
        assert await first == b"a"
        await settle()
        peer.channel.close()
        peer = service.start()
        peer.answer(await peer.photo(), b"b")
        assert await second == b"b"
        await service.end(peer)

    run_async(story)


def test_unrelated_kills_at_every_isolation_refuse_a_photo_for_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blame, "MAXIMUM_UNRELATED", 4)

    async def story() -> None:
        service = DispatchScenario()
        (large,) = service.post(b"large")
        low_memory = []
        for _ in range(12):
            low_memory.append(service.dispatch.needs_low_memory)
            peer = service.start(low_memory=low_memory[-1])
            await peer.photo()
            assert not large.done()
            await service.die(peer, KILLED)
        assert low_memory == [False] * 8 + [True] * 4
        assert (await refusal(large))[0] == 503
        assert service.dispatch.blamed == 1

    run_async(story)


def test_deaths_before_the_warm_up_blame_no_photo() -> None:
    async def story() -> None:
        service = DispatchScenario()
        answers = service.post(b"a", b"b")
        for death in (CRASH, OUT_OF_MEMORY, CRASH, CRASH):
            peer = service.start()
            for _ in range(2):
                await peer.photo(begun=False)
            await service.die(peer, death, ready=False)
        assert len(service.resent) == 8
        peer = service.start()
        for _ in range(2):
            peer.answer(await peer.photo())
        await asyncio.gather(*answers)
        await service.end(peer)

    run_async(story)
