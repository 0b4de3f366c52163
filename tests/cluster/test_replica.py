"""The application builder and the replica, in an environment with Ray; no cluster is started."""

import signal
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

from tests.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed here"),
]


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code with `replica`, in a process of its own, since a failure ends the process of a replica."""
    start = "import asyncio\nfrom service.hosting.ray_serve import Replica, build\nreplica = Replica()\n"
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_start_that_fails_fails_the_first_health_check_with_its_reason() -> None:
    done = run("replica._failed('no weights')\nasyncio.run(replica.check_health())")
    assert "RuntimeError: no weights" in done.stderr


def test_a_start_that_has_not_ended_keeps_the_health_check_waiting() -> None:
    done = run("asyncio.run(asyncio.wait_for(replica.check_health(), 0.2))")
    assert "TimeoutError" in done.stderr


def test_a_warm_replica_is_healthy() -> None:
    done = run("replica._warm(None, None)\nasyncio.run(replica.check_health())\nprint('healthy')")
    assert done.stdout == "healthy\n"


def test_a_later_failure_ends_the_process_of_the_replica() -> None:
    done = run("replica._warm(None, None)\nreplica._failed('five starts failed')")
    assert done.returncode == -signal.SIGKILL
    assert "five starts failed" in done.stderr


def test_the_builder_sets_what_loses_no_photo() -> None:
    done = run(
        """
        import os
        os.environ["FACE_GRACE"] = "77"
        of = build({})._bound_deployment
        print(of.max_queued_requests, of._deployment_config.graceful_shutdown_timeout_s, of.max_ongoing_requests)
        """
    )
    assert done.stdout == "-1 77.0 256\n", done.stderr
