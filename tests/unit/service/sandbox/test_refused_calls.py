"""Checks of system calls that a sandbox around the service refuses, in processes that refuse them for real."""

import ctypes
import threading

import pytest

from service.sandbox import refused_calls
from tests.unit.service.sandbox.conftest import RunProgram

PRINTED = """
from service.sandbox import refused_calls
print(*refused_calls.explained(), sep="\\n", end="")
"""

PR_GET_MDWE = 66
NO_WRITTEN_CODE = """
import ctypes
PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 1
assert ctypes.CDLL(None).prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0
"""
"""As MemoryDenyWriteExecute=yes of systemd, on Linux 6.3 and newer."""

NO_THREADS = """
from service.sandbox import seccomp
seccomp.restrict([seccomp.Refusal("clone3", errno.EPERM)])
"""
"""As the filter of Docker before 20.10.10."""

OLD_KERNEL = """
from service.sandbox import seccomp
seccomp.restrict([seccomp.Refusal("clone3", errno.ENOSYS)])
"""


def test_finds_nothing_refused_on_this_machine(run: RunProgram) -> None:
    assert run(PRINTED).stdout == ""


@pytest.mark.not_quick
@pytest.mark.skipif(
    ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0, reason="the kernel has no PR_SET_MDWE"
)
def test_names_what_refuses_executable_memory(run: RunProgram) -> None:
    (line,) = run(NO_WRITTEN_CODE + PRINTED).stdout.splitlines()
    assert line.startswith(
        "the system refuses executable memory (Permission denied), which the compiled loops need"
    )
    assert "MemoryDenyWriteExecute=yes" in line


@pytest.mark.not_quick
@pytest.mark.usefixtures("filters")
def test_names_the_filter_that_refuses_threads(run: RunProgram) -> None:
    (line,) = run(NO_THREADS + PRINTED).stdout.splitlines()
    assert line.startswith("the system refuses new threads")
    assert "20.10.10" in line
    assert "--security-opt seccomp=unconfined" in line


@pytest.mark.not_quick
@pytest.mark.usefixtures("filters")
def test_accepts_a_system_without_clone3(run: RunProgram) -> None:
    assert run(OLD_KERNEL + PRINTED).stdout == ""


def test_names_the_limits_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    (line,) = refused_calls.explained()
    assert line.startswith("no thread can be started: raise the limit of processes")
