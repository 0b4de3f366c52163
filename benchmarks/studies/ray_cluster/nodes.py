"""Nodes of a local cluster of Ray: child processes of `ray start --block` on this machine.

Several raylets on one machine are several nodes to Ray, each with a proxy of its own. Ray's usage statistics are off.
"""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes.process_tree import command_line, family, kill
from benchmarks.processes.running import free_port

PROGRAMS = Path(sys.executable).parent
"""Folder of Ray's programs."""
APPLICATION = "face-model"
REPLICA = f"ray::ServeReplica:{APPLICATION}"
"""Name that Ray gives to the process of a replica."""
OBJECT_STORE = 100_000_000
"""Bytes of shared memory of a node. Bodies of requests over 100 kB pass through it, in pieces."""
STARTED = "Ray runtime started"
"""Words of `ray start` for a node that has joined."""


@dataclass
class Node:
    """One node: its raylet, its proxy and its replicas are children of `process`."""

    process: subprocess.Popen[bytes]
    proxy_port: int
    log: Path

    @property
    def joined(self) -> bool:
        """True once it is a part of the cluster."""
        return STARTED in self.log.read_text(errors="replace")

    def replicas(self) -> list[int]:
        """Process IDs of its replicas."""
        return [member for member in family(self.process.pid) if REPLICA in " ".join(command_line(member))]

    def kill(self) -> None:
        """SIGKILL to all of its processes. Worker processes end with their replica."""
        kill(self.process.pid)
        self.process.wait()


def head(port: int, dashboard: int) -> tuple[str, ...]:
    """Options of a head node without replicas, on these ports."""
    return (
        *("--head", f"--port={port}", "--num-cpus=0", "--dashboard-host=127.0.0.1"),
        *(f"--dashboard-port={dashboard}", f"--ray-client-server-port={free_port()}"),
    )


def member(port: int) -> tuple[str, ...]:
    """Options of a further node, with one core; `port`: the head node's."""
    return (f"--address={host()}:{port}", "--num-cpus=1")


def start(options: tuple[str, ...], folder: Path, spilling: Path) -> Node:
    """Start a node with the options of its role, its files in `folder`, and the objects that it moves in `spilling`."""
    proxy, log = free_port(), folder / "start.log"
    command = [
        *(str(PROGRAMS / "ray"), "start", "--block", *options, f"--temp-dir={folder}"),
        *(f"--object-store-memory={OBJECT_STORE}", f"--object-spilling-directory={spilling}"),
        *("--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"),
        *("--include-log-monitor=false", "--disable-usage-stats"),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**environment(), "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(proxy), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which then stops the nodes
        )
    return Node(process, proxy, log)


def environment() -> dict[str, str]:
    """This process's environment, without settings of Ray and of the service, and with Ray's telemetry off."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "FACE_"))}
    return inherited | {"RAY_USAGE_STATS_ENABLED": "0"}


def host() -> str:
    """Address of this machine by which the nodes reach each other: that of its default route, else the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address
    return "127.0.0.1"
