"""A local cluster of Ray on this machine, and the application on it.

Ray is used by its programs, `ray` and `serve` of this environment, and no import.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.processes.running import ROOT, free_port
from benchmarks.studies.ray_cluster import nodes
from benchmarks.studies.ray_cluster.nodes import APPLICATION, PROGRAMS, Node

CONFIGURATION = ROOT / "deploy" / "ray" / "serve.yaml"
START_SECONDS = 180.0
"""Deadline for a node, and for a deployment."""
PAUSE = 0.2
"""Seconds between two looks at the state."""


class ClusterFault(RuntimeError):
    """A node did not start, or the application did not become ready; the message holds what Ray printed."""


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
        folder = self.folder / str(len(self.nodes))
        folder.mkdir()
        role = nodes.member(self.port) if self.nodes else nodes.head(self.port, self.dashboard)
        node = nodes.start(role, folder, self.spilling)
        self.nodes.append(node)
        return node

    def wait_for(self, node: Node) -> None:
        """Wait until a node has joined the cluster. Raises ClusterFault."""
        self._wait(lambda: node.joined, node)

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

    def _serve(self, command: str, *arguments: str) -> str:
        """Output of Ray's program `serve`. Raises ClusterFault."""
        try:
            return subprocess.run(
                [
                    *(str(PROGRAMS / "serve"), command),
                    *(f"--address=http://127.0.0.1:{self.dashboard}", *arguments),
                ],
                env=nodes.environment(),
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
                check=True,
            ).stdout
        except subprocess.TimeoutExpired as error:
            raise ClusterFault(f"serve {command}: no end within {START_SECONDS:.0f} s") from error
        except subprocess.CalledProcessError as error:
            raise ClusterFault(f"serve {command}: {error.stderr.strip()}") from error

    @staticmethod
    def _wait(reached: Callable[[], bool], node: Node) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not reached():
            if node.process.poll() is not None or time.monotonic() > deadline:
                raise ClusterFault(node.log.read_text(errors="replace"))
            time.sleep(PAUSE)


@contextmanager
def cluster(members: int) -> Iterator[Cluster]:
    """A head node and this number of further nodes; all of their processes and files are gone at the end."""
    with ExitStack() as closing:
        # Short paths: a socket's has at most 107 bytes, and Ray adds some 70.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        spilling = closing.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/dev/shm"))
        running = Cluster(Path(folder), Path(spilling))
        closing.callback(running.kill)
        running.wait_for(running.start())
        for node in [running.start() for _ in range(members)]:
            running.wait_for(node)
        yield running
