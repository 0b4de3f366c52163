"""HAProxy as a reverse proxy, with the configuration of deploy/haproxy."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.processes.running import free_port
from tests.paths import ROOT
from tests.waiting import eventually

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy")

needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy(1) is not installed")


@contextmanager
def front(model: str, **variables: str) -> Iterator[tuple[int, int]]:
    """HAProxy in front of the service at `model` (host:port). Yields its port and process id."""
    assert HAPROXY
    port = free_port()
    settings = {"FRONT_PORT": str(port), "MODEL": model, "PATH": os.environ["PATH"]}
    process = subprocess.Popen([HAPROXY, "-db", "-f", CONFIGURATION], env={**settings, **variables})
    try:
        eventually("HAProxy or its end", lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """True if this machine accepts connections to the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
