"""HAProxy with the configuration of deploy/haproxy."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.harness.running import free_port
from tests.conftest import ROOT
from tests.faults.conftest import PATIENCE

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy")

needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="there is no haproxy(1) here")


@contextmanager
def front(model: str, **variables: str) -> Iterator[tuple[int, int]]:
    """HAProxy in front of that host and port; its own port, and the id of its process."""
    assert HAPROXY
    port = free_port()
    own = {"FRONT_PORT": str(port), "MODEL": model, "PATH": os.environ["PATH"]}
    process = subprocess.Popen([HAPROXY, "-db", "-f", CONFIGURATION], env={**own, **variables})
    try:
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Whether connections to that port of this machine are accepted."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
