"""Replicas behind nginx that answer photos as a test prescribes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes.nginx import FILES, Front, front
from benchmarks.processes.running import free_port
from tests.calling import Caller
from tests.faults.stub_upstream import upstream

RULES = (FILES / "rules.conf").read_text(encoding="utf-8")

Behaviour = Callable[[socket.socket], object]
"""Called with the connection of a request that has been read."""


def die(_: socket.socket) -> None:
    """Closes the connection without an answer, as the kernel does for a killed process."""


def say(status: int, body: bytes = b'{"error": "of the replica"}') -> Behaviour:
    """Answers with this status."""
    head = b"HTTP/1.1 %d Reason\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return lambda line: line.sendall(head % (status, len(body)) + body)


OK = say(200, b'{"faces": []}')


@dataclass(frozen=True)
class Stubs:
    """Replicas behind an nginx."""

    caller: Caller
    front: Front
    requests: Sequence[list[bytes]]
    """By replica: the heads of requests, without those that only ask for the key."""
    lengths: Sequence[int]
    """Bytes of each body that a replica has read."""

    @property
    def attempts(self) -> list[int]:
        """Number of requests of each replica."""
        return [len(requests) for requests in self.requests]


@contextmanager
def stubs(
    replicas: Sequence[Behaviour | None], folder: Path, *, rules: str = RULES, key: Behaviour = OK
) -> Iterator[Stubs]:
    """nginx before stubs. None: a port that does not listen. `key`: the answer to `/open`."""
    requests: list[list[bytes]] = [[] for _ in replicas]
    lengths: list[int] = []
    with ExitStack() as stack:
        ports = []
        for behaviour, own in zip(replicas, requests, strict=True):
            if behaviour is None:
                ports.append(free_port())
                continue
            address, _ = stack.enter_context(upstream(_serve(behaviour, key, own, lengths)))
            ports.append(int(address.rpartition(":")[2]))
        running = stack.enter_context(front(ports, folder, rules=rules))
        yield Stubs(Caller(running.port), running, requests, lengths)


def _serve(behaviour: Behaviour, key: Behaviour, requests: list[bytes], lengths: list[int]) -> Behaviour:
    def read(line: socket.socket) -> None:
        with line.makefile("rb") as stream:
            rows = []
            while row := stream.readline().strip():
                rows.append(row)
            if not rows:
                return
            fields = dict(row.lower().split(b": ", 1) for row in rows[1:])
            length = int(fields.get(b"content-length", b"0"))
            lengths.append(len(stream.read(length)))
        if rows[0].startswith(b"GET /open"):
            key(line)
            return
        requests.append(b"\n".join(rows))
        behaviour(line)

    return read
