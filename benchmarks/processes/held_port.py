"""Ports that outlive the services behind them, as a socket unit of systemd holds them."""

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.processes.running import SERVE, Service

_ACTIVATE = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
"""Socket activation as systemd does it between fork(2) and execve(2): LISTEN_PID is the new process's own id."""
BACKLOG = 4096
"""As systemd's; the kernel lowers it to net.core.somaxconn."""


@contextmanager
def held_port() -> Iterator[socket.socket]:
    """A listening socket of this process, for one service after the other."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as held:
        yield held


def activation(held: socket.socket) -> tuple[str, ...]:
    """The command of a service that accepts the connections of this socket, which it inherits."""
    return (sys.executable, "-c", _ACTIVATE, str(held.fileno()), *SERVE)


def activated(held: socket.socket, environment: Mapping[str, str]) -> Service:
    """A service that accepts the connections of a socket of this process."""
    port = str(held.getsockname()[1])
    return Service({**environment, "PORT": port}, activation(held), pass_fds=[held.fileno()])
