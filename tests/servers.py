"""ASGI servers under which the tests run the application: our own, and others."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.processes.running import SERVE

FACTORY = "service.hosting.asgi:from_environment"


@dataclass(frozen=True)
class Server:
    """A server as a command."""

    words: tuple[str, ...]
    """The command line, with `PORT` for the port."""
    stopped: int = 0
    """Exit status after SIGTERM, negative for a signal."""
    refused: int = 1
    """Exit status after a fault that the factory reports."""
    failed: int = 1
    """Exit status once no further worker process is started."""

    def command(self, port: int | str) -> tuple[str, ...]:
        """The command line of a server on this port."""
        return tuple(word.replace("PORT", str(port)) for word in self.words)


OWN = Server(SERVE)

SERVERS: Mapping[str, Server] = MappingProxyType(
    {
        "uvicorn": Server(
            (sys.executable, "-m", "uvicorn", "--factory", FACTORY, "--port", "PORT"),
            # It raises the signal again after the shutdown.
            stopped=-signal.SIGTERM,
            failed=-signal.SIGTERM,
        ),
        "hypercorn": Server(
            (
                *(sys.executable, "-m", "hypercorn", f"{FACTORY}()", "--bind", "127.0.0.1:PORT"),
                *("--graceful-timeout", "600"),
            ),
            # It drops the status of its last process (hypercorn.run).
            refused=0,
            failed=0,
        ),
        "granian": Server(
            (sys.executable, "-m", "granian", "--interface", "asgi", "--factory", FACTORY, "--port", "PORT")
        ),
    }
)
"""Values of the option `--server`."""
