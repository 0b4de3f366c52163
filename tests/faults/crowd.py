"""Concurrent callers that post photos in a loop."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.calling import Caller, Reply
from tests.waiting import PATIENCE


@dataclass
class Crowd:
    """`size` callers in threads, each posting one photo after the other until `end`. Records every outcome."""

    caller: Caller
    photos: list[bytes]
    size: int
    replies: list[Reply] = field(default_factory=list)
    refused: int = 0
    """Number of connections that were never accepted."""
    failures: list[BaseException] = field(default_factory=list)
    """Errors of connections that were accepted and got no answer."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.all_connected = threading.Barrier(self.size + 1, timeout=PATIENCE)
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(self.size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ends the loops; returns when every request in flight has its answer."""
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a caller hangs"

    @property
    def statuses(self) -> Counter[int]:
        with self._lock:
            return Counter(reply.status for reply in self.replies)

    def _call(self, number: int) -> None:
        photo = self.photos[number % len(self.photos)]
        first = True
        while not self._ended.is_set():
            try:
                connection = self.caller.connect()
            except (ConnectionRefusedError, TimeoutError):
                with self._lock:
                    self.refused += 1
                return
            if first:
                self.all_connected.wait()
                first = False
            try:
                reply = self.caller.post("/detect", self.caller.photo(photo), connection=connection)
            except OSError as error:
                with self._lock:
                    self.failures.append(error)
                return
            with self._lock:
                self.replies.append(reply)
