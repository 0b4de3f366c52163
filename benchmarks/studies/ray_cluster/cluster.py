"""A local cluster of Ray: nodes as child processes of `ray start --block`, on the loopback interface and this machine.

Several raylets on one machine are several nodes to Ray, each with a proxy of its own. Ray is used by its programs,
`ray` and `serve` of this environment, and no import. Its usage statistics are off.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.processes.process_tree import command_line, family, kill
from benchmarks.processes.running import ROOT, free_port

CONFIGURATION = ROOT / "deploy" / "ray" / "serve.yaml"
PROGRAMS = Path(sys.executable).parent
APPLICATION = "face-model"
REPLICA = f"ray::ServeReplica:{APPLICATION}"
"""Name that Ray gives to the process of a replica."""
OBJECT_STORE = 100_000_000
"""Bytes of shared memory of a node. Bodies of requests over 100 kB pass through it, in pieces."""
STARTED = "Ray runtime started"
"""Words of `ray start` for a node that has joined."""
START_SECONDS = 180.0
"""Deadline for a node, and for a deployment."""
PAUSE = 0.2


class ClusterFault(RuntimeError):
    """A node did not start, or the application did not become ready; the message holds what Ray printed."""


@dataclass
class Node:
    """One node: its raylet, its proxy and its replicas are children of `process`."""

    process: subprocess.Popen[bytes]
    proxy_port: int
    log: Path

    def replicas(self) -> list[int]:
        """Process IDs of its replicas."""
        return [member for member in family(self.process.pid) if REPLICA in " ".join(command_line(member))]

    def kill(self) -> None:
        """SIGKILL to all of its processes. Worker processes end with their replica."""
        kill(self.process.pid)
        self.process.wait()


@dataclass
class Cluster:
    """A head node without replicas, and nodes with one core each."""

    folder: Path
    spilling: Path
    """A tmpfs: Ray moves objects there when its shared memory is full, and they may be pieces of photos."""
    port: int = field(default_factory=free_port)
    dashboard: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)

    def start(self) -> Node:
        """Start a node, the first one as head."""
        number, proxy = len(self.nodes), free_port()
        folder = self.folder / str(number)
        folder.mkdir()
        head = (
            *("--head", f"--port={self.port}", "--num-cpus=0", "--dashboard-host=127.0.0.1"),
            *(f"--dashboard-port={self.dashboard}", f"--ray-client-server-port={free_port()}"),
        )
        role = (f"--address={host()}:{self.port}", "--num-cpus=1") if self.nodes else head
        command = [
            *(str(PROGRAMS / "ray"), "start", "--block", *role, f"--temp-dir={folder}"),
            *(f"--object-store-memory={OBJECT_STORE}", f"--object-spilling-directory={self.spilling}"),
            *("--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"),
            *("--include-log-monitor=false", "--disable-usage-stats"),
        ]
        log = folder / "start.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env={
                    **self._environment(),
                    "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(proxy),
                    "TMPDIR": str(folder),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, which then stops the nodes
            )
        node = Node(process, proxy, log)
        self.nodes.append(node)
        return node

    def wait_for(self, node: Node) -> None:
        """Wait until a node has joined the cluster. Raises ClusterFault."""
        self._wait(lambda: STARTED in node.log.read_text(errors="replace"), node)

    def deploy(self, environment: Mapping[str, str], replicas: int) -> None:
        """`serve deploy` of deploy/ray/serve.yaml, with these settings and this number of replicas of one core.

        A second call is a rolling update if the settings differ. Raises ClusterFault.
        """
        path = self.folder / "serve.yaml"
        path.write_text(self._configuration(environment, replicas), encoding="utf-8")
        self._serve("deploy", str(path))

    def status(self) -> str:
        """Status of the application: `RUNNING` once all replicas are ready, and an update has ended."""
        found = yaml.safe_load(self._serve("status"))
        status: str = found["applications"].get(APPLICATION, {}).get("status", "")
        return status

    def replicas(self) -> list[int]:
        """Process IDs of all replicas."""
        return [replica for node in self.nodes for replica in node.replicas()]

    def wait_until_running(self, replicas: int, former: Collection[int] = ()) -> None:
        """Wait until this number of replicas is ready, and none of the former ones is left. Raises ClusterFault."""

        def running() -> bool:
            found = self.replicas()
            return (
                len(found) == replicas and not set(found).intersection(former) and self.status() == "RUNNING"
            )

        self._wait(running, self.nodes[0])

    def kill(self) -> None:
        """Kill all nodes, the head last. `ray stop` would end every cluster on this machine."""
        for node in reversed(self.nodes):
            node.kill()

    def _configuration(self, environment: Mapping[str, str], replicas: int) -> str:
        content = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
        content["http_options"] |= {"host": "127.0.0.1", "port": self.nodes[0].proxy_port}
        (application,) = content["applications"]
        application["runtime_env"] = {"working_dir": f"local://{ROOT}", "env_vars": dict(environment)}
        (deployment,) = application["deployments"]
        del deployment["autoscaling_config"]
        deployment["num_replicas"] = replicas
        deployment["ray_actor_options"]["num_cpus"] = 1
        text: str = yaml.safe_dump(content)
        return text

    def _serve(self, *arguments: str) -> str:
        address = f"--address=http://127.0.0.1:{self.dashboard}"
        done = subprocess.run(
            [str(PROGRAMS / "serve"), arguments[0], address, *arguments[1:]],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ClusterFault(f"serve {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    @staticmethod
    def _environment() -> dict[str, str]:
        """This process's environment, without settings of Ray and of the service, and with Ray's telemetry off."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "FACE_"))
        }
        return inherited | {"RAY_USAGE_STATS_ENABLED": "0"}

    @staticmethod
    def _wait(reached: Callable[[], bool], node: Node) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not reached():
            if node.process.poll() is not None or time.monotonic() > deadline:
                raise ClusterFault(node.log.read_text(errors="replace"))
            time.sleep(PAUSE)


def host() -> str:
    """Address of this machine by which the nodes reach each other: that of its default route, else the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address
    return "127.0.0.1"


@contextmanager
def cluster(nodes: int) -> Iterator[Cluster]:
    """A head node and this number of nodes; all of their processes and files are gone at the end."""
    with ExitStack() as closing:
        # Short paths: a socket's has at most 107 bytes, and Ray adds some 70.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        spilling = closing.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/dev/shm"))
        running = Cluster(Path(folder), Path(spilling))
        closing.callback(running.kill)
        running.wait_for(running.start())
        for node in [running.start() for _ in range(nodes)]:
            running.wait_for(node)
        yield running
