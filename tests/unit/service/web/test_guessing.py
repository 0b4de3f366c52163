"""The slow-down of guesses, with a clock that the test moves."""

import asyncio
from contextlib import suppress

import pytest

from service.web import guessing
from service.web.guessing import BURST, Guesses, client_of
from tests.unit.service.coroutines import run_async, settle
from tests.waiting import PATIENCE

HERE, THERE = "192.0.2.1", "192.0.2.2"


class _Time:
    """A clock; `sleep` returns when `move` has reached the end of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float, closing: asyncio.Future[None]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, done))
        await asyncio.wait((done, closing), return_when=asyncio.FIRST_COMPLETED)

    async def move(self, seconds: float) -> None:
        self.now += seconds
        for until, done in self._sleepers:
            if until <= self.now and not done.done():
                done.set_result(None)
        await settle()


class _Waiter:
    def __init__(self) -> None:
        self.parked = self.evicted = False

    def park(self) -> None:
        self.parked = True

    def unpark(self) -> None:
        self.parked = False

    def evict(self) -> None:
        self.evicted = True


class _Calls:
    """Checks of keys, and which of them are admitted."""

    def __init__(self) -> None:
        self.time = _Time()
        self.guesses = Guesses(lambda: self.time.now, self.time.sleep)
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def make(self, count: int, address: str = HERE, *, wrong: bool = True) -> list[asyncio.Task[None]]:
        made = [self.call(_Waiter(), address, wrong=wrong) for _ in range(count)]
        await settle()
        return made

    def call(self, waiter: _Waiter, address: str, *, wrong: bool) -> asyncio.Task[None]:
        return asyncio.create_task(self.guesses.turn(address, waiter, self.closing, wrong=wrong))


def _admitted(calls: list[asyncio.Task[None]]) -> int:
    return sum(call.done() for call in calls)


def test_admits_a_burst_and_then_one_guess_a_second() -> None:
    async def story() -> None:
        calls = _Calls()
        made = await calls.make(200)
        assert _admitted(made) == BURST
        for second in range(1, 191):
            await calls.time.move(0.5)
            assert _admitted(made) == BURST + second - 1
            await calls.time.move(0.5)
            assert _admitted(made) == BURST + second
        assert (await calls.make(1))[0].done() is False
        await calls.time.move(BURST)
        assert _admitted(await calls.make(BURST)) == BURST - 1

    run_async(story)


def test_delays_a_valid_key_as_long_as_a_wrong_one_and_no_other_address() -> None:
    async def story() -> None:
        calls = _Calls()
        await calls.make(BURST + 3)
        (valid,) = await calls.make(1, wrong=False)
        (behind,) = await calls.make(1)
        assert (
            _admitted(await calls.make(1, THERE)) == _admitted(await calls.make(1, THERE, wrong=False)) == 1
        )
        await calls.time.move(3)
        assert not valid.done()
        await calls.time.move(1)
        assert valid.done()
        assert behind.done()  # a valid key takes no token
        assert calls.guesses.waiting == 0

    run_async(story)


def test_valid_keys_alone_are_never_delayed() -> None:
    async def story() -> None:
        calls = _Calls()
        assert _admitted(await calls.make(1000, wrong=False)) == 1000

    run_async(story)


def test_a_caller_that_hangs_up_leaves_the_queue() -> None:
    async def story() -> None:
        calls = _Calls()
        await calls.make(BURST)
        gone = await calls.make(200)
        (valid,) = await calls.make(1, wrong=False)
        for call in gone:
            call.cancel()
        await settle()
        assert calls.guesses.waiting == 1
        await calls.time.move(1)
        assert valid.done()

    run_async(story)


def test_bounds_the_waiting_checks_and_closes_the_oldest_of_the_longest_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guessing, "MAXIMUM_WAITING", 4)

    async def story() -> None:
        calls = _Calls()
        await calls.make(BURST)
        await calls.make(BURST, THERE)
        alone, *flood = [_Waiter() for _ in range(7)]
        tasks = [calls.call(alone, THERE, wrong=False)]
        for index, waiter in enumerate(flood):
            tasks.append(calls.call(waiter, HERE, wrong=True))
            await settle()
            for task, evicted in zip(tasks[1:], flood[: index + 1], strict=True):
                if evicted.evicted:
                    task.cancel()  # as the connection does
            await settle()
        assert [waiter.evicted for waiter in flood] == [True] * 3 + [False] * 3
        assert (alone.evicted, alone.parked, calls.guesses.waiting) == (False, True, 4)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    run_async(story)


def test_bounds_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "MAXIMUM_ADDRESSES", 3)

    async def story() -> None:
        calls = _Calls()
        (*_, waiting) = await calls.make(BURST + 1, "waits")
        for address in "abcd":
            await calls.make(BURST, address)
            calls.guesses.trust(address)
        assert [calls.guesses.delays(address) for address in ("waits", *"abcd")] == [
            True, False, False, True, True,
        ]  # fmt: skip
        assert [calls.guesses.trusts(address) for address in "abcd"] == [False, True, True, True]
        waiting.cancel()

    run_async(story)


def test_a_shutdown_ends_the_waiting() -> None:
    async def story() -> None:
        calls = _Calls()
        made = await calls.make(100)
        assert _admitted(made) == BURST
        calls.closing.set_result(None)
        await asyncio.wait(made, timeout=PATIENCE)
        assert _admitted(made) == len(made)
        assert calls.guesses.waiting == 0
        assert _admitted(await calls.make(1)) == 1

    run_async(story)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (None, ""),
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.2", 1), "192.0.2.2"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::1", 1), "::/64"),
        (("a name", 1), "a name"),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(
    address: tuple[str, int] | None, client: str
) -> None:
    assert client_of(address) == client
