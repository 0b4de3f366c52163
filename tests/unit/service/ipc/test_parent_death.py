"""The parent-death signal, in real processes."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from service.ipc import end_with_parent

PATIENCE = 30.0

CHILD = """
import os, signal, sys
from service import ipc
ipc.end_with_parent(int(sys.argv[1]))
print("waits", flush=True)
signal.pause()
"""

PARENT = f"""
import os, signal, subprocess, sys, threading
start = lambda: subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())])
if sys.argv[1] == "process":
    start()
    signal.pause()
else:
    thread = threading.Thread(target=lambda: (start(), os.read(0, 1)))
    thread.start()
    thread.join()
    signal.pause()
"""


def started(kind: str) -> subprocess.Popen[bytes]:
    """Start a parent whose child waits; the child writes to the parent's output."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"waits\n"
    return parent


def test_a_child_ends_with_its_parent() -> None:
    with started("process") as parent:
        assert parent.stdout is not None
        parent.kill()
        parent.wait(PATIENCE)
        assert parent.stdout.read() == b""  # the end of the output: no process has it any more


def test_a_child_ends_with_the_thread_that_started_it() -> None:
    with started("thread") as parent:
        assert parent.stdin is not None
        children = Path("/proc", str(parent.pid), "task").glob("*/children")
        (child,) = [int(number) for found in children for number in found.read_text().split()]
        ended = os.pidfd_open(child)
        parent.stdin.write(b"x")
        parent.stdin.flush()
        assert select.select([ended], [], [], PATIENCE)[0]
        os.close(ended)
        assert parent.poll() is None
        parent.kill()


def test_a_child_whose_parent_is_gone_ends_at_once() -> None:
    not_the_parent = os.getpid() + 1
    script = f"from service import ipc; ipc.end_with_parent({not_the_parent}); print('continues')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")


def test_a_kernel_that_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ipc.parent_death.PR_SET_PDEATHSIG", -1)
    with pytest.raises(OSError, match="Invalid argument"):
        end_with_parent(os.getppid())
