"""Slow-down of guessed API keys by client address: a token bucket, and a FIFO queue of the checks beyond it.

The answer to a guess is delayed whether the key is right or wrong. If only wrong keys were delayed, a guesser could
take silence for a refusal. A generated key of 256 bits needs no slow-down; one that a person made up does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from service.web.callers import Connection

BURST = 10
"""Wrong keys of one address that are answered at once: several processes of an app with a mistyped key."""

SECONDS = 1.0
"""Seconds between the checks of one address after the burst, so at most 86,410 guesses a day."""

MAXIMUM_WAITING = 256
"""Maximum number of waiting checks of all addresses. Each holds a connection and its head, of 64 KiB at most."""

MAXIMUM_ADDRESSES = 4096
"""Maximum number of addresses with wrong keys, and of trusted ones, in memory: some 500 bytes each."""

NETWORK = 64
"""Prefix length of an IPv6 address that is one client: a provider gives each customer at least such a network."""


@dataclass
class _Client:
    """The token bucket and the queue of one address."""

    full_at: float = 0.0
    """Time on the clock when the bucket is full."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """FIFO; held by the first of the queue while the bucket is empty."""
    waiting: dict[Connection, None] = field(default_factory=dict)
    """The queue, oldest first."""

    def seconds_left(self, now: float) -> float:
        """Seconds until the bucket has a token; 0 if it has one."""
        return max(self.full_at - (BURST - 1) * SECONDS - now, 0.0)

    def take(self, now: float) -> None:
        """Take a token."""
        self.full_at = max(self.full_at, now) + SECONDS


async def _sleep(seconds: float, closing: asyncio.Future[None]) -> None:
    await asyncio.wait((closing,), timeout=seconds)


class Guesses:
    """The clients with wrong keys, and the trusted ones: an address that has sent a valid key since the start.

    Both are bounded; the one without a key for the longest time is forgotten first. For one event loop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float, asyncio.Future[None]], Awaitable[None]] = _sleep,
    ) -> None:
        """`sleep` waits for seconds, at most until a future is done."""
        self._clock = clock
        self._sleep = sleep
        self._clients: dict[str, _Client] = {}
        self._trusted: dict[str, None] = {}
        self.waiting = 0
        """Number of checks that wait for their turn."""

    def trust(self, address: str) -> None:
        """Note a valid key: `trusts` is True for the address from now on."""
        self._trusted.pop(address, None)
        self._trusted[address] = None
        if len(self._trusted) > MAXIMUM_ADDRESSES:
            del self._trusted[next(iter(self._trusted))]

    def trusts(self, address: str) -> bool:
        """True for an address whose valid keys never wait."""
        return address in self._trusted

    def delays(self, address: str) -> bool:
        """True if a check of this address would wait now."""
        client = self._clients.get(address)
        return client is not None and (client.turn.locked() or client.seconds_left(self._clock()) > 0)

    async def turn(
        self, address: str, waiter: Connection, closing: asyncio.Future[None], *, wrong: bool
    ) -> None:
        """Wait until the key of a request from `address` may be answered; a wrong one takes a token of the bucket.

        `closing`: done when the service shuts down. The waiting then ends: the queue would delay the end by minutes.
        """
        if not self.delays(address):
            if wrong:
                self._client(address).take(self._clock())
            return
        client = self._client(address)
        client.waiting[waiter] = None
        self.waiting += 1
        waiter.park()
        if self.waiting > MAXIMUM_WAITING:
            self._evict_one()
        try:
            async with client.turn:
                while not closing.done() and (seconds := client.seconds_left(self._clock())):
                    await self._sleep(seconds, closing)
                if wrong:
                    client.take(self._clock())
        finally:
            waiter.unpark()
            self._leave(client, waiter)

    def _client(self, address: str) -> _Client:
        """The client, as the one with the latest key."""
        client = self._clients.pop(address, None) or _Client()
        self._clients[address] = client
        if len(self._clients) > MAXIMUM_ADDRESSES:
            del self._clients[next(name for name, other in self._clients.items() if not other.waiting)]
        return client

    def _evict_one(self) -> None:
        """Close the oldest connection of the longest queue, whether its key is right or wrong.

        If wrong ones alone were closed, a flood would learn of each at once. A single check of another address is
        never closed, since its queue is the shortest.
        """
        longest = max(self._clients.values(), key=lambda client: len(client.waiting))
        oldest = next(iter(longest.waiting))
        # At once: the end of its connection arrives later than a flood of others.
        self._leave(longest, oldest)
        oldest.evict()

    def _leave(self, client: _Client, waiter: Connection) -> None:
        if waiter in client.waiting:
            del client.waiting[waiter]
            self.waiting -= 1


def client_of(address: tuple[str, int] | None) -> str:
    """The name of a client: its IPv4 address, or its IPv6 network of NETWORK bits; empty if it has no address.

    A socket for both families shows an IPv4 address as one of IPv6 (RFC 4291, 2.5.5.2): all of them are in one network.
    """
    if address is None:
        return ""
    try:
        found = ip_address(address[0])
    except ValueError:
        return address[0]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> (128 - NETWORK) << (128 - NETWORK))}/{NETWORK}"
