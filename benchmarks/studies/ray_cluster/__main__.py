"""A local cluster of Ray behind nginx that answers photos, and loses none to a killed replica, node, or an update.

    python -m benchmarks.studies.ray_cluster [--calls 300] [--pairs 40]

`make cluster-demo` runs it in an environment with Ray. One process answers the photos first. Then a head node and two
nodes with a core each start on this machine, with nginx before their proxies. At the end all of it is stopped.

Exit status 1 if a call was lost, or an answer differs from that of the one process.
"""

import argparse
import json
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.harness.text_table import text_table
from benchmarks.processes.nginx import NGINX, Front, NginxEnded, front
from benchmarks.processes.running import ServiceDied, http_client, serving
from benchmarks.studies.ray_cluster import scenarios
from benchmarks.studies.ray_cluster.cluster import Cluster, ClusterFault, cluster
from benchmarks.studies.ray_cluster.scenarios import ONE_CORE, REPLICAS, Result
from benchmarks.studies.replicas.calls import cost, number_of_pairs, spread
from service.settings import load


def study(calls: int, pairs: int) -> bool:
    """Print the table; True if no call was lost, and no answer differs."""
    key, sent = secrets.token_hex(16), scenarios.photos()
    environment = {**ONE_CORE, "API_KEY": key, "FACE_STORE": str(load().store.resolve())}
    print("the single process answers", flush=True)
    with serving(ONE_CORE) as (_, single):
        expected = scenarios.answers(single, sent)
        print(f"a cluster of Ray starts: {1 + REPLICAS} nodes, {REPLICAS} replicas", flush=True)
        with cluster(REPLICAS) as running, tempfile.TemporaryDirectory() as folder:
            running.deploy(environment, REPLICAS)
            running.wait_until_running(REPLICAS)
            with http_client(f"http://127.0.0.1:{running.nodes[0].proxy_port}", key) as through:
                equal = sum(map(bytes.__eq__, scenarios.answers(through, sent), expected))
                print(f"{equal} of {len(sent)} answers equal to those of the single process, in each byte")
                print(
                    f"milliseconds that Ray adds to a call: {spread(cost(single, through, sent[0], pairs))}"
                )
            of_ray = ", ".join(f"{value:.0f}" for value in scenarios.memory_of_ray(running))
            print(f"memory of Ray's own processes, MiB: {of_ray} (the head node first)", flush=True)
            if NGINX is None:
                print("nginx is not installed: no replica is killed", flush=True)
                return equal == len(sent)
            with (
                front([node.proxy_port for node in running.nodes], Path(folder)) as nginx,
                http_client(f"http://127.0.0.1:{nginx.port}", key) as client,
            ):
                added = spread(cost(single, client, sent[0], pairs))
                print(f"milliseconds that Ray behind nginx adds to a call: {added}", flush=True)
                results = faults(running, environment, client, nginx, sent, expected, calls)
    print(table(results))
    for lost in [line for result in results for line in result.lost][:10]:
        print(lost, file=sys.stderr)
    return equal == len(sent) and not any(result.lost or result.differing for result in results)


def faults(
    running: Cluster,
    environment: dict[str, str],
    client: httpx.Client,
    nginx: Front,
    sent: Sequence[bytes],
    expected: Sequence[bytes],
    calls: int,
) -> list[Result]:
    """Calls through nginx while a replica is killed, the application is updated, and at last a node is killed."""
    parsed = [json.loads(answer) for answer in expected]
    results = []
    for name, fault in (
        ("replica killed", lambda: scenarios.kill_replica(running)),
        ("rolling update", lambda: scenarios.update(running, environment)),
        ("node killed", lambda: scenarios.kill_node(running)),
    ):
        running.wait_until_running(REPLICAS)
        print(f"{calls} calls: {name}", flush=True)
        results.append(scenarios.under_load(name, client, nginx, sent, parsed, calls, fault))
    return results


def table(results: Sequence[Result]) -> str:
    """A line for each scenario."""
    head = ("", "calls", "lost", "differing", "failed connections", "seconds")
    return text_table(
        [
            head,
            *(
                (
                    result.name,
                    *map(str, (result.calls, len(result.lost), result.differing, result.failed_attempts)),
                    f"{result.seconds:.0f}",
                )
                for result in results
            ),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.ray_cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=int, default=300, help="of each scenario, at most 16 at a time")
    parser.add_argument(
        "--pairs", type=number_of_pairs, default=40, help="calls of one process and of Ray, for the cost"
    )
    options = parser.parse_args(arguments)
    # As for Ctrl-C: the nodes are stopped, and their files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return 0 if study(options.calls, options.pairs) else 1
    except (ClusterFault, NginxEnded, ServiceDied, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
