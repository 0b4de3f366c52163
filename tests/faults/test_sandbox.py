"""A sandbox that denies limits, affinities and files of the system: the service runs without them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from benchmarks.processes.running import SERVE
from tests.calling import Caller
from tests.paths import ROOT
from tests.processes import restricted_by

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import StartService

DENIED = """
import os, resource

def denied(*_, **__):
    raise PermissionError(1, "Operation not permitted")

resource.getrlimit = resource.setrlimit = resource.prlimit = denied
os.sched_getaffinity = os.sched_setaffinity = denied
"""
"""A sitecustomize module that imitates a filter of system calls (seccomp)."""

HIDDEN = """
set -e
mount -t proc -o subset=pid proc /proc  # systemd's ProcSubset=pid: no meminfo, no cpuinfo, no sys
mount -t tmpfs -o ro tmpfs /sys
mount -t tmpfs -o ro tmpfs /dev/shm
exec "$@"
"""
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HIDDEN, "sh")


@pytest.fixture(scope="module")
def namespace() -> tuple[str, ...]:
    """A command that runs another one without the files of HIDDEN."""
    return restricted_by(*NAMESPACE)


def test_runs_without_denied_calls_and_files(
    start_service: StartService, namespace: tuple[str, ...], tmp_path: Path, portrait: bytes
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DENIED)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    service = start_service(command=(*namespace, *SERVE), PYTHONPATH=path, HOME="", FACE_MODEL="4")
    service.wait_until_ready()
    caller = Caller(service.port)
    avif = io.BytesIO()
    with Image.open(io.BytesIO(portrait)) as image:
        image.save(avif, "AVIF", quality=95)
    for photo in (portrait, avif.getvalue()):
        reply = caller.post("/detect", caller.photo(photo))
        assert reply.status == 200, service.log
        assert reply.json["faces-count"] == 1
    assert "Traceback" not in service.log
    assert " ERROR " not in service.log


def test_runs_with_a_hard_limit_of_0_for_core_files(start_service: StartService, portrait: bytes) -> None:
    """As systemd's LimitCORE=0 and Docker's `--ulimit core=0` set it: no account may raise it."""
    limited = restricted_by("setpriv", "--bounding-set=-sys_resource", "prlimit", "--core=0")
    service = start_service(command=(*limited, *SERVE), FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port)
    assert caller.post("/detect", caller.photo(portrait)).status == 200, service.log
    assert service.stop() == 0
    assert " ERROR " not in service.log


@pytest.mark.slow
def test_check_runs_without_denied_calls_and_files(
    namespace: tuple[str, ...], tmp_path: Path, store: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DENIED)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [*namespace, sys.executable, "-m", "service", "check"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": path,
            "FACE_STORE": str(store.resolve()),
            "FACE_MODEL": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
