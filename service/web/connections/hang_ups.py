"""Detection of closed connections by epoll, also while the socket is not read."""

import asyncio
import select
from collections.abc import Callable
from typing import NamedTuple


class _Watch(NamedTuple):
    end_of_input: Callable[[], None]
    gone: Callable[[], None]


class HangUps:
    """Reports of the end of a peer's input, and of the end of its connection (epoll_ctl(2), EPOLLRDHUP and EPOLLHUP).

    asyncio detects these only when it reads a socket, which back-pressure prevents. One epoll object serves all
    sockets, and is itself watched by the event loop.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, _Watch] = {}

    def start(self) -> None:
        """Start the callbacks, on the running loop."""
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._report)

    def watch(self, descriptor: int, end_of_input: Callable[[], None], gone: Callable[[], None]) -> None:
        """Call each callback at most once: `end_of_input` on a FIN, `gone` on a reset.

        A FIN alone does not show whether the peer still reads: close(2) and shutdown(2) with SHUT_WR send the same.
        """
        self._watched[descriptor] = _Watch(end_of_input, gone)
        self._epoll.register(descriptor, select.EPOLLRDHUP)

    def forget(self, descriptor: int) -> None:
        """Stop watching a socket that is about to be closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _report(self) -> None:
        for descriptor, events in self._epoll.poll(0):
            watch = self._watched.get(descriptor)
            if watch is None:  # closed by a callback in this loop
                continue
            if events & (select.EPOLLHUP | select.EPOLLERR):
                self.forget(descriptor)
                watch.gone()
            else:
                # EPOLLRDHUP is level-triggered and would be reported endlessly; HUP and ERR need no registration.
                self._epoll.modify(descriptor, 0)
                watch.end_of_input()
