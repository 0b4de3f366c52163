"""Decoded originals within a budget: eviction, expiry, and granted bytes."""

import asyncio
import random
import threading
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from service.pipeline import originals
from service.pipeline.admission import Budget
from service.pipeline.originals import MAXIMUM_ORIGINALS, Originals, digest
from service.pipeline.queue import Queue
from tests.unit.service.coroutines import run_async

SIDE = 10
BYTES = 3 * SIDE * SIDE
"""Bytes of each original here."""


def pixels(value: int = 0) -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), value, np.uint8)


async def kept(held: Originals, budget: Budget, *keys: bytes) -> None:
    """Hold these originals, each decoded for a separate photo, in this order."""
    for key in keys:
        await budget.take(BYTES)
        budget.release(BYTES - held.keep(key, pixels(key[0]), 0))


def held_keys(held: Originals, *keys: bytes) -> list[bytes]:
    found = []
    for key in keys:
        with held.reading(key) as image:
            if image is not None:
                assert (image == key[0]).all()
                found.append(key)
    return found


async def given_back(budget: Budget) -> None:
    while budget.granted:
        await asyncio.sleep(0.01)


def test_the_digest_is_of_all_bytes() -> None:
    data = bytes(1000)
    assert len({digest(data), digest(data + b"\0"), digest(data[:-1] + b"\1"), digest(b"\1" + data[1:])}) == 4


def test_held_originals_count_as_granted_and_are_read_only() -> None:
    async def story() -> None:
        budget = Budget(10 * BYTES)
        held = Originals(budget)
        await kept(held, budget, b"a", b"b")
        assert (budget.granted, held.bytes_held) == (2 * BYTES, 2 * BYTES)
        with held.reading(b"a") as image:
            assert image is not None
            with pytest.raises(ValueError, match="read-only"):
                image[0, 0, 0] = 1
        await kept(held, budget, b"a")  # decoded twice, by photos in progress at the same time
        assert (budget.granted, held.bytes_held) == (2 * BYTES, 2 * BYTES)

    run_async(story)


def test_memory_of_idle_originals_is_reclaimed_at_once() -> None:
    async def story() -> None:
        budget = Budget(4 * BYTES)
        held = Originals(budget)
        await kept(held, budget, b"a", b"b", b"c")
        assert held.refresh(b"a")
        asking = asyncio.create_task(budget.take(2 * BYTES))
        await asyncio.sleep(0)
        assert asking.done()  # without waiting for anything
        assert held_keys(held, b"a", b"b", b"c") == [b"a", b"c"]  # the least recently used one has gone
        assert budget.granted == 4 * BYTES
        budget.release(2 * BYTES)
        await budget.take(100 * BYTES)  # more than there is: alone
        assert (held.bytes_held, budget.granted) == (0, 100 * BYTES)
        assert not held.refresh(b"a")

    run_async(story)


def test_nothing_is_evicted_for_a_photo_that_would_wait_anyway() -> None:
    async def story() -> None:
        budget = Budget(4 * BYTES)
        held = Originals(budget)
        await kept(held, budget, b"a")
        await budget.take(2 * BYTES)
        asking = asyncio.create_task(budget.take(4 * BYTES))
        await asyncio.sleep(0)
        assert held.bytes_held == BYTES
        budget.release(2 * BYTES)
        await asking
        assert (held.bytes_held, budget.granted) == (0, 4 * BYTES)

    run_async(story)


def test_an_original_with_readers_is_not_evicted() -> None:
    async def story() -> None:
        queue = Queue(2, 2 * BYTES)
        held = Originals(queue.memory)
        await kept(held, queue.memory, b"a")
        reading, gate = threading.Event(), threading.Event()

        def read() -> None:
            with held.reading(b"a") as image:
                assert image is not None
                reading.set()
                assert gate.wait(30)

        reader = asyncio.create_task(queue.run(lambda: queue.in_thread(read), 1))
        assert await asyncio.to_thread(reading.wait, 30)
        asking = asyncio.create_task(queue.run(lambda: queue.in_thread(lambda: held.bytes_held), 2 * BYTES))
        await asyncio.sleep(0.01)
        assert (asking.done(), held.bytes_held, queue.memory.granted) == (False, BYTES, BYTES + 1)
        gate.set()
        await reader
        assert await asking == 0
        assert queue.memory.granted == 0
        queue.close()

    run_async(story)


def test_the_number_of_originals_is_bounded() -> None:
    async def story() -> None:
        budget = Budget(100 * BYTES)
        held = Originals(budget)
        keys = [bytes([number]) for number in range(MAXIMUM_ORIGINALS + 2)]
        await kept(held, budget, *keys)
        assert held_keys(held, *keys) == keys[2:]
        assert budget.granted == held.bytes_held == MAXIMUM_ORIGINALS * BYTES

    run_async(story)


def test_an_original_that_leaves_no_room_for_its_reader_is_not_held() -> None:
    async def story() -> None:
        budget = Budget(2 * BYTES)
        held = Originals(budget)
        assert held.keep(b"a", pixels(), reader_bytes=BYTES + 1) == 0
        assert not held.refresh(b"a")
        await budget.take(BYTES)
        assert held.keep(b"a", pixels(), reader_bytes=BYTES) == BYTES

    run_async(story)


def test_an_idle_original_expires_and_releases_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "SECONDS", 0.2)

    async def story() -> None:
        budget = Budget(10 * BYTES)
        held = Originals(budget)
        image = pixels()
        watched = weakref.ref(image)
        await budget.take(BYTES)
        budget.release(BYTES - held.keep(b"a", image, 0))
        del image
        with held.reading(b"a"):
            await asyncio.sleep(0.5)
            assert budget.granted == held.bytes_held == BYTES
        await given_back(budget)
        assert watched() is None
        await kept(held, budget, b"b")  # the next one has its time too
        await given_back(budget)
        assert held.bytes_held == 0

    run_async(story)


def test_use_postpones_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "SECONDS", 1)

    async def story() -> None:
        budget = Budget(10 * BYTES)
        held = Originals(budget)
        await kept(held, budget, b"a", b"b")
        while held.bytes_held == 2 * BYTES:
            assert held.refresh(b"a")
            await asyncio.sleep(0.01)
        assert held_keys(held, b"a", b"b") == [b"a"]

    run_async(story)


def test_random_photos_keep_the_bound_and_leak_nothing() -> None:
    """Random photos in threads: decoding or reading, some cancelled, some failing, some of the whole budget."""

    async def story() -> None:
        draw = random.Random(4)
        queue = Queue(3, 6 * BYTES)
        held = Originals(queue.memory)
        hits, working, lock = 0, 0, threading.Lock()

        def decode(units: int, decoded: list[NDArray[np.uint8]], key: bytes, fails: bool) -> None:
            nonlocal working
            with lock:
                working += units
                assert working + held.bytes_held <= queue.memory.total
            image = pixels(key[0])
            with lock:
                working -= units
            if fails:
                raise ZeroDivisionError
            decoded.append(image)

        def read(key: bytes) -> bool:
            nonlocal hits
            with held.reading(key) as image:
                if image is not None:
                    assert (image == key[0]).all()
                    hits += 1
            return image is not None

        async def photo(key: bytes, units: int, fails: bool) -> None:
            decoded: list[NDArray[np.uint8]] = []

            def keep() -> int:
                return held.keep(key, decoded.pop(), 0) if decoded else 0

            if held.refresh(key) and await queue.run(lambda: queue.in_thread(lambda: read(key)), 1):
                return
            await queue.run(lambda: queue.in_thread(lambda: decode(units, decoded, key, fails)), units, keep)

        photos = []
        for _ in range(400):
            key, units = bytes([draw.randrange(8)]), draw.choice((1, 2, 3, 6)) * BYTES
            photos.append(asyncio.create_task(photo(key, units, draw.random() < 0.2)))
            if draw.random() < 0.5:
                await asyncio.sleep(0.001)
            if draw.random() < 0.2:
                draw.choice(photos).cancel()
        ended = await asyncio.gather(*photos, return_exceptions=True)
        queue.close()
        await asyncio.sleep(0)  # what was cancelled has ended as well
        assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError, ZeroDivisionError}
        assert hits > 10
        assert queue.places.granted == queue.memory.waiting == 0
        assert queue.memory.granted == held.bytes_held
        await queue.memory.take(queue.memory.total)
        assert held.bytes_held == 0

    run_async(story)
