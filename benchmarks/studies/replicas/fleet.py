"""Replicas as processes of this machine, each with its share of cores and memory: killed, restarted, updated."""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

from benchmarks.processes.held_port import activated, held_port
from benchmarks.processes.running import Service, free_port
from benchmarks.studies.replicas.repeated import repeated
from service.memory.capacity import memory
from service.settings import MINIMUM_MEMORY, load


def share(replicas: int) -> dict[str, str]:
    """Settings of one replica: its part of the machine's cores, at least one, and of the budget of memory."""
    return {
        "FACE_THREADS": str(max(len(os.sched_getaffinity(0)) // replicas, 1)),
        "FACE_MEMORY": str(max(memory(load()) // replicas, MINIMUM_MEMORY)),
    }


@dataclass
class Replica:
    """A replica on one port, one process after the other."""

    environment: Mapping[str, str]
    port: int
    held: socket.socket | None
    """Socket that outlives the processes; None: each of them binds the port itself."""
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        if self.held is None:
            self.service = Service({**self.environment, "PORT": str(self.port)})
        else:
            self.service = activated(self.held, self.environment)

    def end(self, number: signal.Signals) -> int:
        """Send the signal; exit status of the process."""
        self.service.process.send_signal(number)
        return self.service.wait()

    def close(self) -> None:
        """Kill the present process if it runs."""
        self.service.close()


class Fleet:
    """Several replicas, and the threads that end them.

    Without held sockets, a lock lets one replica at a time be away: with all of them away, photos are lost. With them,
    kills come at any time.
    """

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = replicas
        self.kills = 0
        self.updates = 0
        """Replicas that were updated."""
        self.failed: list[str] = []
        """Replicas that did not end with status 0 at SIGTERM."""
        held = all(replica.held for replica in replicas)
        self._one_at_a_time = nullcontext() if held else threading.Lock()
        self._own = [threading.Lock() for _ in replicas]

    def wait_until_ready(self) -> None:
        for replica in self.replicas:
            replica.service.wait_until_ready()

    @property
    def ports(self) -> list[int]:
        return [replica.port for replica in self.replicas]

    def killing(self, seconds: float) -> AbstractContextManager[None]:
        """SIGKILL to one replica after the other at this interval, each started again at once. Raises ServiceDied."""

        def kill() -> None:
            self._replace(self.kills % len(self.replicas), signal.SIGKILL)
            self.kills += 1

        return repeated(kill, seconds)

    def update(self) -> None:
        """A rolling update: for each replica SIGTERM, its end, and a start; the next one once it is ready.

        Raises ServiceDied.
        """
        for number in range(len(self.replicas)):
            if status := self._replace(number, signal.SIGTERM):
                self.failed.append(f"replica {number + 1} ended with status {status}")
            self.updates += 1

    def _replace(self, number: int, end: signal.Signals) -> int:
        """Exit status of a replica's process after this signal; returns once the next process is ready."""
        replica = self.replicas[number]
        with self._one_at_a_time, self._own[number]:
            status = replica.end(end)
            replica.start()
            replica.service.wait_until_ready()
        return status


@contextmanager
def fleet(number: int, environment: Mapping[str, str], *, held: bool) -> Iterator[Fleet]:
    """Replicas with these settings, not yet ready. `held`: on sockets that outlive them."""
    with ExitStack() as stack:
        replicas = []
        for _ in range(number):
            listener = stack.enter_context(held_port()) if held else None
            port = listener.getsockname()[1] if listener else free_port()
            replicas.append(Replica(environment, port, listener))
            stack.callback(replicas[-1].close)
        yield Fleet(replicas)
